"""Points are counted by symbol and field, only ours, and named exactly in queries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from ohlcv_assets.errors import StoreQueryError
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.reads.asking import Asker
from ohlcv_assets.stores.influxdb.reads.parts import FIRST_NS, Part
from ohlcv_assets.stores.influxdb.reads.points import (
    BARS_SHAPE,
    MOST_NAMED,
    TRADES,
    field_counts,
    flux_points,
    stored_symbols,
)
from ohlcv_assets.units import DAY, HOUR
from ohlcv_assets_tests.servers import Server
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake
from ohlcv_assets_tests.stores.influxdb.reads.limited import (
    BUCKET,
    Fits,
    Limited,
    index,
    one_symbol,
    within,
    write,
)

WHOLE = Part(0, DAY)


@pytest.fixture
def asker(fake_server: Fake) -> Iterator[Asker]:
    """Return an asker of a server that holds some trades, one of them torn, and things of somebody else's."""
    write(fake_server, [f"trades,symbol=A price=1,amount=2,side=1i {ts}" for ts in (0, HOUR, DAY - 1, DAY)])
    write(fake_server, [f"trades,symbol=B price=1,amount=2,side=-1i {ts}" for ts in (1, 5 * HOUR)])
    write(fake_server, ["trades,symbol=B price=3 7", "trades,symbol=B note=1 8", "others,symbol=C price=1 9"])
    connection = fake_server.connect()
    yield Asker(connection, 20)
    connection.close()


@pytest.mark.integration
def test_fields_are_counted_apart(asker: Asker) -> None:
    """Each of our fields of a symbol has a count; other fields, measurements and the end of the range are left out."""
    found = field_counts(asker, TRADES, BUCKET, WHOLE, name="counts")
    assert found == {
        "A": Counter(price=3, amount=3, side=3),
        "B": Counter(price=3, amount=2, side=2),
    }
    assert list(found) == ["A", "B"]


@pytest.mark.integration
def test_one_field_or_some_symbols(asker: Asker) -> None:
    """A field, symbols and a part of one symbol each narrow what is counted; symbols without points are not there."""
    assert field_counts(asker, TRADES, BUCKET, WHOLE, field="side", name="counts") == {
        "A": Counter(side=3),
        "B": Counter(side=2),
    }
    some = field_counts(asker, TRADES, BUCKET, WHOLE, field="side", symbols=["B", "nobody"], name="counts")
    assert some == {"B": Counter(side=2)}
    one = field_counts(asker, TRADES, BUCKET, Part(0, DAY, "A"), field="side", symbols=["B", "A"], name="counts")
    assert one == {"A": Counter(side=3)}
    many = ["A", *(f"X{number}" for number in range(MOST_NAMED))]
    assert field_counts(asker, TRADES, BUCKET, WHOLE, field="side", symbols=many, name="counts") == {
        "A": Counter(side=3)
    }


@pytest.mark.integration
def test_symbols_of_a_range(asker: Asker) -> None:
    """The index knows the symbols of a measurement, in order."""
    assert stored_symbols(asker, TRADES, BUCKET, WHOLE) == ["A", "B"]
    assert stored_symbols(asker, BARS_SHAPE, BUCKET, WHOLE) == []


@pytest.mark.integration
@pytest.mark.parametrize(("fits", "questions"), [(within(DAY), 1), (within(4 * HOUR), 7), (one_symbol, 79)])
def test_counts_add_up_over_parts(fake_server: Fake, asker: Asker, fits: Fits, questions: int) -> None:
    """Where the whole takes too long, ranges, then symbols are counted, with the same result."""
    connection = fake_server.connect()
    limited = Limited(connection, fits)
    found = field_counts(limited, TRADES, BUCKET, WHOLE, name="counts")
    assert found == field_counts(asker, TRADES, BUCKET, WHOLE, name="counts")
    # The whole, 6 parts of 4 hours, 24 hours, 2 symbols in each.
    assert len(limited.texts("counts")) == questions
    connection.close()


@pytest.mark.integration
@pytest.mark.parametrize("start", [-DAY, -3 * DAY - 1, FIRST_NS])
def test_counts_up_to_1970(any_server: Server, any_layout: Layout, start: int) -> None:
    """Ranges that end where 1970 begins are counted like others, on a server that never returns from a plain count."""
    bucket = any_layout.trades.name
    instants = (-2 * DAY, -DAY, -1, 0)
    write(any_server, [f"trades,symbol=A price=1,amount=2,side=1i {ts}" for ts in instants], bucket)
    connection = any_server.connect(patience=0.0)
    found = field_counts(Asker(connection, 5), TRADES, bucket, Part(start, 0), name="counts")
    number = sum(start <= ts < 0 for ts in instants)
    assert found == {"A": Counter(price=number, amount=number, side=number)}
    connection.close()


@pytest.mark.integration
def test_what_cannot_be_counted_names_the_query(fake_server: Fake, asker: Asker) -> None:
    """When an hour of one symbol takes too long, the error names the query and what was the matter."""
    del asker
    connection = fake_server.connect()
    limited = Limited(connection, index)
    with pytest.raises(StoreQueryError, match=r"'counts'.*no answer in time"):
        field_counts(limited, TRADES, BUCKET, WHOLE, name="counts")
    assert "r.symbol ==" in limited.texts("counts")[-1]
    connection.close()


@pytest.mark.unit
def test_names_stay_within_their_quotes() -> None:
    """Whatever a symbol or a bucket is called, the query has the same shape."""
    plain = flux_points(TRADES, "b", WHOLE, "price", ["A"])
    for symbol in ('") |> drop(columns: ["_time"])', "${1}", "a\nb", "\\"):
        text = flux_points(TRADES, "b", WHOLE, "price", [symbol])
        assert text.count('"') == plain.count('"')
        assert text.count("\n") == plain.count("\n")
        assert "${" not in text


@pytest.mark.unit
def test_too_many_symbols_are_not_named() -> None:
    """Repeated symbols are named once; beyond a bound none is, which asks for all."""
    named = flux_points(TRADES, "b", WHOLE, None, ["A", "B", "A"])
    assert named.count("r.symbol ==") == 2
    assert "r.symbol" not in flux_points(TRADES, "b", WHOLE, None, [str(n) for n in range(MOST_NAMED + 1)])
    assert flux_points(TRADES, "b", Part(0, 1, "A"), None, ["B"]).count("r.symbol ==") == 1
