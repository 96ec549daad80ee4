"""The constants of the strategies, and what the documentation says of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ohlcv_assets.market import spread
from ohlcv_assets.market.calendars import CALENDARS, FIRST_YEAR, LAST_YEAR
from ohlcv_assets.market.symbols import CalendarName
from ohlcv_assets.market.universe import EXAMPLES

pytestmark = pytest.mark.unit

DOCUMENT = (Path(__file__).parents[2] / "docs" / "market.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("calendar", CALENDARS)
def test_patterns_are_one_on_average(calendar: CalendarName) -> None:
    """Months of a year, and the days of a week that trade, average one."""
    trading_days = 5 if calendar == "XNYS" else 7

    assert np.mean(spread.MONTHS[calendar]) == pytest.approx(1)
    assert np.mean(spread.WEEKDAYS[calendar][:trading_days]) == pytest.approx(1)


@pytest.mark.parametrize("field", EXAMPLES)
def test_every_field_is_documented(field: str) -> None:
    """The table of fields and the example in docs/market.md have every field of a symbol."""
    assert f"| `{field}` |" in DOCUMENT
    assert EXAMPLES[field] in DOCUMENT


@pytest.mark.parametrize("name", spread.SPREADS)
def test_every_strategy_is_documented(name: str) -> None:
    """docs/market.md describes every strategy."""
    assert f"**`{name}`**" in DOCUMENT


@pytest.mark.parametrize(
    ("term", "value"),
    [
        ("`quiet`, early close", spread.HALF_DAY_THINNESS),
        ("`quiet`, weekend of `24/7`", spread.WEEKEND),
        ("`a`", spread.VOLATILITY_ELASTICITY),
        ("`b`", spread.SHOCK_ELASTICITY),
        ("`c`", spread.COMMON_NOISE),
        ("`e`", spread.OWN_NOISE),
    ],
)
def test_documented_constants_are_in_force(term: str, value: float) -> None:
    """The constants in docs/market.md are those of the code."""
    assert f"| {term} | {value} |" in DOCUMENT


def test_documented_years_are_in_force() -> None:
    """The years in docs/market.md are those of the code."""
    assert f"{FIRST_YEAR} to {LAST_YEAR}" in " ".join(DOCUMENT.split())
