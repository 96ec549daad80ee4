"""Bodies of posted trades: what they may be, and that every mistake is told."""

from __future__ import annotations

import json
from typing import Any

import hypothesis
import numpy as np
import orjson
import pytest
from hypothesis import strategies as st

from ohlcv_assets.api.native.posted import PostedTrade
from ohlcv_assets.api.posting import values
from ohlcv_assets.api.posting.columns import columns_of
from ohlcv_assets.api.posting.mistakes import Mistakes
from ohlcv_assets.api.posting.parsing import Batch, Form, Parser
from ohlcv_assets.api.problems import ProblemError
from ohlcv_assets.instants import format_instant
from ohlcv_assets.units import DAY, Nanos
from ohlcv_assets_tests.api.posting.made import START, UNIVERSE, Trade, trade

pytestmark = pytest.mark.unit

PARSER = Parser(UNIVERSE, (START, Nanos(START + 3 * DAY)), 5)
BTC = UNIVERSE.names.index("BTC-USD")


def parse(document: object, form: Form = "json") -> Batch:
    """Parse a document."""
    return PARSER.parse(orjson.dumps(document), form)


def problem_of(document: object) -> ProblemError:
    """Return the problem that a document is."""
    with pytest.raises(ProblemError) as caught:
        parse(document)
    return caught.value


def mistakes_of(document: object) -> list[tuple[int, str | None]]:
    """Return trade and field of every mistake of a document."""
    problem = problem_of(document)
    assert problem.kind == "invalid"
    told: Any = problem.more["problems"]  # Any: JSON
    return [(one["trade"], one["field"]) for one in told]


def test_one_or_many_in_three_ways() -> None:
    """A trade, a list of trades, an object with a list; or one a line, with empty lines between."""
    one, two = trade(), trade(1, symbol="AAPL", amount=3, side=-1, price=180.25, id="x")
    lines = b"\n" + orjson.dumps(one) + b"\r\n\n" + orjson.dumps(two) + b"\n"
    assert parse(one).trades.keys() == [(BTC, START)]
    for batch in (parse([one, two]), parse({"trades": [one, two]}), PARSER.parse(lines, "lines")):
        assert batch.trades.keys() == [(BTC, START), (0, START + 1)]
        assert batch.trades.contents() == [(44001.5, 0.25, 1), (180.25, 3.0, -1)]
        assert batch.ids == [None, "x"]
    assert parse(one).ids is None
    assert parse([one]).fingerprint == parse([one]).fingerprint != parse(one).fingerprint


@pytest.mark.parametrize(("body", "form"), [(b"", "json"), (b"{", "json"), (b"\xff", "json"), (b'{"a":1},{}', "lines")])
def test_what_is_no_json_is_malformed(body: bytes, form: Form) -> None:
    """The body, or a line of it."""
    with pytest.raises(ProblemError) as caught:
        PARSER.parse(body, form)
    assert caught.value.kind == "malformed"


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "no trade"),
        ({"trades": []}, "no trade"),
        ([trade()] * 6, "6 trades, over the limit of 5"),
        ({"trades": [trade()], "more": 1}, "nothing else"),
        ({"trades": trade()}, "a list of trades"),
    ],
)
def test_a_body_has_some_trades_and_not_too_many(document: object, said: str) -> None:
    """Neither none nor more than the limit."""
    problem = problem_of(document)
    assert (problem.kind, said in problem.detail) == ("invalid", True)


def test_every_mistake_is_told() -> None:
    """With the number of its trade, its field, and what is wrong; the first in the sentence."""
    rows: list[Any] = [  # Any: JSON
        trade(price=0.001, qty=3, amount=-1),
        7,
        {"symbol": "BTC-USD"},
        trade(symbol="BTCUSD", ts="2024-01-04", side=0, id=""),
        trade(symbol=["x"], price="1", amount=None, side=True, id=5),
    ]
    assert mistakes_of(rows) == [
        *((0, name) for name in ("amount", "fields", "price")),
        (1, None),
        *((2, name) for name in ("amount", "price", "side", "ts")),
        *((3, name) for name in ("id", "side", "symbol", "ts")),
        *((4, name) for name in ("amount", "id", "price", "side", "symbol")),
    ]
    problem = problem_of(rows)
    assert problem.detail == ("Nothing was stored because of 5 of 5 trades; trade 0, amount: -1.0 is not above zero.")
    assert problem.more["mistakes"] == 17
    assert problem_of(trade(side=2)).detail.startswith(
        "Nothing was stored because of the trade; trade 0, side: 2 is no"
    )


def test_no_more_than_a_hundred_mistakes_are_listed() -> None:
    """Their number is told all the same."""
    parser = Parser(UNIVERSE, (START, Nanos(START + DAY)), 1_000)
    with pytest.raises(ProblemError) as caught:
        parser.parse(orjson.dumps([trade(side=0)] * 300), "json")
    told: Any = caught.value.more["problems"]  # Any: JSON
    assert (len(told), caught.value.more["mistakes"]) == (100, 300)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"price": 44001.505}, "44001.505 is no multiple of the tick size 0.01"),
        ({"symbol": "AAPL", "price": 180, "amount": 0.5}, "0.5 is no multiple of the lot size 1"),
        ({"price": 0}, "0.0 is not above zero"),
        ({"amount": 1e300}, "1e+300 is over the most, 22517998136.9"),
        ({"ts": 1704378600123}, "integers are nanoseconds"),
        ({"ts": START - 1}, "2024-01-03T23:59:59.999999999Z is outside the dataset"),
        ({"ts": START + 3 * DAY}, "is outside the dataset, 2024-01-04T00:00:00Z to 2024-01-07T00:00:00Z."),
        ({"ts": 1.7e18}, "1.7e+18 is no instant"),
        ({"ts": True}, "True is no instant"),
        ({"ts": 2**63}, "9223372036854775808 is no instant"),
        ({"ts": "2024-02-30T00:00:00Z"}, "'2024-02-30T00:00:00Z' is no instant"),
        ({"ts": "2024-01-04T00:00:00"}, "is no instant"),
        ({"ts": "2024-01-04T00:00:00.1234567891Z"}, "is no instant"),
        ({"symbol": "x" * 200}, "there is no symbol '" + "x" * 59 + "..."),
        ({"symbol": "é"}, r"there is no symbol '\xe9'"),
        ({"id": "a b"}, "'a b' is no id"),
        ({"side": 0.5}, "0.5 is no side"),
    ],
)
def test_what_a_trade_may_not_be(changes: Trade, said: str) -> None:
    """Each mistake in words that help."""
    assert said in problem_of(trade(**changes)).detail


@pytest.mark.parametrize(
    ("ts", "at"),
    [
        ("2024-01-04T00:00:00.000000001Z", 1),
        ("2024-01-04T01:00:00+01:00", 0),
        ("2024-01-03t23:59:59.5-00:30", 1_799_500_000_000),
        (START + 7, 7),
    ],
)
def test_instants_are_exact_in_every_way_to_write_them(ts: object, at: int) -> None:
    """To the nanosecond, alone and beside others of another kind."""
    assert parse(trade(ts=ts)).trades.ts.tolist() == [START + at]
    assert parse([trade(ts=ts), trade(ts="2024-01-04T00:00:00Z"), trade()]).trades.ts.tolist() == [
        START + at,
        START,
        START,
    ]


@hypothesis.settings(deadline=None, max_examples=40)
@hypothesis.given(
    st.lists(
        st.from_regex(rf"\A({values.INSTANT}|(19|20)\d\d-[01]\d-[0-3]\dT[0-2]\d:[0-6]\d:[0-6]\d(\.\d{{1,9}})?Z)\Z"),
        min_size=1,
        max_size=5,
    )
)
def test_reading_at_once_is_reading_one_by_one(texts: list[str]) -> None:
    """A column of usual instants gives what each of them gives."""
    together, single = Mistakes(), Mistakes()
    found = values.instants(texts, together).tolist()
    # A number among them makes the column an unusual one.
    assert values.instants([*texts, 0], single).tolist()[:-1] == found


@hypothesis.settings(deadline=None, max_examples=40)
@hypothesis.given(
    st.lists(
        st.tuples(
            st.sampled_from(range(len(UNIVERSE.symbols))),
            st.integers(0, 3 * DAY - 1),
            st.integers(1, 10**6),
            st.integers(1, 10**6),
            st.sampled_from((1, -1)),
            st.none() | st.from_regex(r"\A[!-~]{1,64}\Z"),
            st.booleans(),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_every_trade_on_the_grid_is_taken_exactly(rows: list[tuple[int, int, int, int, int, str | None, bool]]) -> None:
    """Instant, price, amount and side come through JSON to the bit, however the instant is written."""
    documents = []
    for number, at, ticks, lots, side, name, as_text in rows:
        symbol, instant = UNIVERSE.symbols[number], Nanos(START + at)
        ts = format_instant(instant) if as_text else instant
        price, amount = ticks / symbol.ticks_per_unit, lots / symbol.lots_per_unit
        documents.append({"symbol": symbol.name, "ts": ts, "price": price, "amount": amount, "side": side, "id": name})
        PostedTrade.model_validate(documents[-1])
    batch = PARSER.parse(json.dumps(documents).encode(), "json")
    assert batch.trades.symbol.tolist() == [row[0] for row in rows]
    assert batch.trades.ts.tolist() == [START + row[1] for row in rows]
    assert batch.trades.price.tolist() == [one["price"] for one in documents]
    assert batch.trades.amount.tolist() == [one["amount"] for one in documents]
    assert batch.trades.side.tolist() == [row[4] for row in rows]
    assert (batch.ids or [None] * len(rows)) == [row[5] for row in rows]


def test_columns_and_tables_are_each_other() -> None:
    """What goes to a store comes back the same; symbols that the universe has not are left out."""
    given = parse([trade(), trade(5, symbol="AAPL", price=181, amount=2)]).trades
    numbers = {name: number for number, name in enumerate(UNIVERSE.names)}
    back = columns_of(given.table(UNIVERSE.names), numbers)
    assert (back.keys(), back.contents()) == (given.keys(), given.contents())
    del numbers["AAPL"]
    assert columns_of(given.table(UNIVERSE.names), numbers).keys() == [(BTC, START)]
    assert len(columns_of(given.table(UNIVERSE.names).slice(0, 0), numbers)) == 0
    assert np.array_equal(given.order, [1, 0])
