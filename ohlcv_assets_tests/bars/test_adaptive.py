"""Which resolution a range is answered at."""

from __future__ import annotations

import pytest

from ohlcv_assets.bars.adaptive import adapt, coarser
from ohlcv_assets.bars.resolutions import RESOLUTIONS
from ohlcv_assets.units import DAY, Nanos, day_start
from ohlcv_assets_tests.bars.made import DAY_ONE

pytestmark = pytest.mark.unit
START = day_start(DAY_ONE)

GIVEN = {
    # days: what is given for 1m, 5m, 15m, 30m, 1h, 2h, 4h, 1d, 1W, 1M
    1: ("1m", "5m", "15m", "30m", "1h", "2h", "4h", "1d", "1W", "1M"),
    30: ("1m", "5m", "15m", "30m", "1h", "2h", "4h", "1d", "1W", "1M"),
    31: ("15m", "5m", "15m", "30m", "1h", "2h", "4h", "1d", "1W", "1M"),
    90: ("15m", "5m", "15m", "30m", "1h", "2h", "4h", "1d", "1W", "1M"),
    91: ("1h", "1h", "1h", "1h", "1h", "2h", "4h", "1d", "1W", "1M"),
    365: ("1h", "1h", "1h", "1h", "1h", "2h", "4h", "1d", "1W", "1M"),
    366: ("1d", "1d", "1d", "1d", "1d", "1d", "1d", "1d", "1W", "1M"),
    3_660: ("1d", "1d", "1d", "1d", "1d", "1d", "1d", "1d", "1W", "1M"),
}


@pytest.mark.parametrize("days", GIVEN)
def test_every_resolution_at_the_bounds(days: int) -> None:
    """Exactly 30, 90 and 365 days are answered as asked; weeks and months always are."""
    end = Nanos(START + days * DAY)
    assert tuple(adapt(asked, START, end).given.name for asked in RESOLUTIONS.values()) == GIVEN[days]


@pytest.mark.parametrize(("days", "name"), [(30, "15m"), (90, "1h"), (365, "1d")])
def test_one_nanosecond_more_is_more(days: int, name: str) -> None:
    """The bounds are exclusive to the nanosecond, and the reason names them."""
    exact = adapt(RESOLUTIONS["1m"], START, Nanos(START + days * DAY))
    wider = adapt(RESOLUTIONS["1m"], START, Nanos(START + days * DAY + 1))
    assert exact.given.name != name
    assert (wider.given.name, wider.adapted, wider.reason) == (name, True, f"the range is longer than {days} days")


def test_what_is_answered_as_asked_has_no_reason() -> None:
    """Nothing is explained where nothing differs."""
    choice = adapt(RESOLUTIONS["5m"], START, Nanos(START + DAY))
    assert (choice.adapted, choice.reason) == (False, "")


def test_coarser_is_what_costs_less_to_read() -> None:
    """The next stored one up to a day; composing of the same bars again would take as long."""
    above = {name: coarser(one) for name, one in RESOLUTIONS.items()}
    assert {name: one.name for name, one in above.items() if one is not None} == {
        "1m": "5m",
        "5m": "15m",
        "15m": "1h",
        "30m": "1h",
        "1h": "1d",
        "2h": "1d",
        "4h": "1d",
    }
