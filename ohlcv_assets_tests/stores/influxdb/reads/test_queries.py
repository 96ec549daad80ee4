"""Counts and content of days are those of the stored trades, however they have to be asked for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator

import pytest

from ohlcv_assets.errors import StoreQueryError
from ohlcv_assets.market.schema import CONTENT
from ohlcv_assets.stores.influxdb.reads.asking import Asker
from ohlcv_assets.stores.influxdb.reads.queries import TORN, content, counts_by_day, day_counts, days_counts
from ohlcv_assets.units import DAY, HOUR, day_start
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake
from ohlcv_assets_tests.stores.influxdb.reads.limited import (
    BUCKET,
    Fits,
    Limited,
    index,
    one_symbol,
    within,
    write,
    write_trades,
)
from ohlcv_assets_tests.stores.made import FIRST, day_number, made_day, plain

pytestmark = pytest.mark.integration

LONG_AGO = dt.date(1600, 1, 1)
"""Before any instant that InfluxDB can hold."""

Limit = Callable[[Fits], Limited]


@pytest.fixture
def limit(fake_server: Fake) -> Iterator[Limit]:
    """Return what makes askers of a server that holds two days of trades."""
    for offset in (0, 2):
        write_trades(fake_server, made_day(day_number(offset), 40))
    connection = fake_server.connect()
    yield lambda fits: Limited(connection, fits)
    connection.close()


@pytest.fixture
def free(limit: Limit) -> Asker:
    """Return an asker without a limit."""
    return limit(lambda _: True)


def test_torn_points_are_counted_apart(fake_server: Fake, free: Asker) -> None:
    """A point that lacks a field is no trade: a day with such points equals no promise."""
    at = day_start(FIRST)
    write(fake_server, [f"trades,symbol=AAPL price=1 {at + 1}", f"trades,symbol=MSFT amount=1,side=1i {at + 2}"])
    write(fake_server, [f"trades,symbol=ZZ amount=1,side=1i {at + ts}" for ts in (3, 4)])
    counts = day_counts(free, BUCKET, FIRST)
    assert counts == {
        **dict.fromkeys(("AAPL", "BTC-USD", "MSFT"), 40),
        **dict.fromkeys((f"AAPL{TORN}", f"MSFT{TORN}"), 1),
        f"ZZ{TORN}": 2,
    }


@pytest.mark.parametrize("fits", [lambda _: True, within(20 * HOUR), one_symbol])
def test_several_days_at_once(fake_server: Fake, limit: Limit, fits: Fits) -> None:
    """Each is counted as it is alone, days without trades are left out, and one field may do."""
    write(fake_server, [f"trades,symbol=AAPL price=1 {day_start(FIRST) + 1}"])
    found = days_counts(limit(fits), BUCKET, day_number(-1), day_number(2))
    assert found == {day: day_counts(limit(fits), BUCKET, day) for day in (day_number(0), day_number(2))}
    by_side = days_counts(limit(fits), BUCKET, FIRST, FIRST, "side")
    assert by_side == {FIRST: dict.fromkeys(("AAPL", "BTC-USD", "MSFT"), 40)}


def test_days_beyond_what_can_be_held(free: Asker) -> None:
    """No trade can be stored on them, so nobody is asked."""
    assert day_counts(free, BUCKET, LONG_AGO) == {}
    assert days_counts(free, BUCKET, LONG_AGO, LONG_AGO) == {}
    assert content(free, BUCKET, LONG_AGO).equals(CONTENT.empty_table())
    assert isinstance(free, Limited)
    assert free.asked == []


@pytest.mark.parametrize("fits", [within(4 * HOUR), one_symbol])
def test_a_day_is_asked_for_in_parts(limit: Limit, free: Asker, fits: Fits) -> None:
    """Counts and content are the same, asked for at once, in smaller ranges or symbol by symbol."""
    limited = limit(fits)
    assert day_counts(limited, BUCKET, FIRST) == {"AAPL": 40, "BTC-USD": 40, "MSFT": 40}
    assert plain(content(limited, BUCKET, FIRST)) == plain(content(free, BUCKET, FIRST))
    assert len(limited.texts("content")) > 1


def test_all_days_are_asked_for_in_parts(limit: Limit) -> None:
    """The centuries that InfluxDB can hold are cut until the answers come, and no day is lost at a cut."""
    limited = limit(within(1_000 * DAY))
    assert counts_by_day(limited, BUCKET) == {FIRST: 120, day_number(2): 120}
    assert len(limited.texts("counts_by_day")) > 20


@pytest.mark.parametrize(
    ("name", "ask"),
    [
        ("day_counts", lambda asker: day_counts(asker, BUCKET, FIRST)),
        ("content", lambda asker: content(asker, BUCKET, FIRST)),
        ("counts_by_day", lambda asker: counts_by_day(asker, BUCKET)),
    ],
)
def test_what_never_passes_is_named(limit: Limit, name: str, ask: Callable[[Asker], object]) -> None:
    """When the smallest part takes too long as well, the error names the query."""
    limited = limit(index)
    with pytest.raises(StoreQueryError, match=f"'{name}'.*no answer in time"):
        ask(limited)
    assert one_symbol(limited.texts(name)[-1])
