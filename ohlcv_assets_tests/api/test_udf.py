"""TradingView's UDF protocol, as published and as its clients use it.

Each test is one rule of the protocol (https://www.tradingview.com/charting-library-docs/, UDF and Datafeed API) or one
habit of a client: names in any form, ranges that begin before 1970, counts that outrank ``from``, polls of what is to
come, statuses that nobody looks at.
"""

from __future__ import annotations

import datetime as dt
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from ohlcv_assets.api.service import Service
from ohlcv_assets.bars.resolutions import RESOLUTIONS
from ohlcv_assets.market.calendars import session_on
from ohlcv_assets.units import DAY, HOUR, MINUTE, SECOND, Nanos, day_bounds, day_start
from ohlcv_assets_tests.api.made import FRIDAY_START, asking, service_in, stored_bars
from ohlcv_assets_tests.pipeline.made import FRIDAY, SATURDAY, THURSDAY

pytestmark = pytest.mark.integration
DAY_SECONDS = DAY // SECOND
FRIDAY_SECONDS = FRIDAY_START // SECOND
MONDAY_SECONDS = FRIDAY_SECONDS + 3 * DAY_SECONDS
THURSDAY_SECONDS = day_start(THURSDAY) // SECOND
WEEK = tuple(dt.date(2024, 1, day) for day in range(1, 6))


def history(client: TestClient, **asked: Any) -> dict[str, Any]:  # Any: query parameters, JSON
    """Return an answer of /udf/history; ``from_`` is its ``from``."""
    parameters = {"symbol": "BTC-USD", "resolution": "60", "from": asked.pop("from_"), **asked}
    reply = client.get("/udf/history", params=parameters)
    assert reply.status_code == 200, reply.text
    document: dict[str, Any] = reply.json()  # Any: as above
    return document


# --- what front ends ask first ----------------------------------------------------------------------------------------


def test_the_configuration_is_complete(client: TestClient) -> None:
    """All that a client would otherwise guess; resolutions are TradingView's names, never 1h."""
    config = client.get("/udf/config").json()
    assert config["supported_resolutions"] == ["1", "5", "15", "30", "60", "120", "240", "1D", "1W", "1M"]
    assert (config["supports_search"], config["supports_group_request"]) == (True, False)
    assert (config["supports_marks"], config["supports_timescale_marks"], config["supports_time"]) == (
        True,
        False,
        True,
    )
    assert [one["value"] for one in config["exchanges"]] == ["", "XNYS", "24X7"]
    assert [one["value"] for one in config["symbols_types"]] == ["", "stock", "crypto", "other"]


def test_the_time_is_a_bare_number(client: TestClient) -> None:
    """Seconds as plain text: clients parse it as an integer."""
    reply = client.get("/udf/time")
    assert reply.headers["content-type"].startswith("text/plain")
    assert abs(int(reply.text) - time.time()) < 60


@pytest.mark.parametrize("name", ["AAPL", "XNYS:AAPL", "xnys:AAPL"])
def test_a_stock_resolves(client: TestClient, name: str) -> None:
    """With and without its exchange; sessions in New York's time, minutes that fit a session, no key ``s``."""
    symbol = client.get("/udf/symbols", params={"symbol": name}).json()
    assert "s" not in symbol
    assert (symbol["name"], symbol["ticker"], symbol["full_name"]) == ("AAPL", "AAPL", "XNYS:AAPL")
    assert (symbol["type"], symbol["exchange"]) == ("stock", "XNYS")
    assert (symbol["timezone"], symbol["session"]) == ("America/New_York", "0930-1600")
    assert symbol["intraday_multipliers"] == ["1", "5", "15", "30"]
    assert (symbol["minmov"], symbol["pricescale"], symbol["volume_precision"]) == (1, 100, 0)
    assert (symbol["has_intraday"], symbol["has_daily"], symbol["has_weekly_and_monthly"]) == (True, True, False)
    assert (symbol["session_holidays"], symbol["corrections"]) == ("", "")


def test_a_pair_resolves(client: TestClient) -> None:
    """Round the clock, UTC, whole hours."""
    symbol = client.get("/udf/symbols", params={"symbol": "BTC-USD"}).json()
    assert (symbol["timezone"], symbol["session"]) == ("Etc/UTC", "24x7")
    assert symbol["intraday_multipliers"] == ["1", "5", "15", "60"]
    assert "session_holidays" not in symbol


def test_holidays_and_early_closes_are_told(tmp_path: Path) -> None:
    """Every weekday without a session, and every short one with its hours."""
    service = service_in(tmp_path, (), start="2024-01-01", end="2024-12-31", total_trades=100_000)
    with asking(service) as client:
        symbol = client.get("/udf/symbols", params={"symbol": "AAPL"}).json()
    assert symbol["session_holidays"] == (
        "20240101,20240115,20240219,20240329,20240527,20240619,20240704,20240902,20241128,20241225"
    )
    assert symbol["corrections"] == "0930-1300:20240703;0930-1300:20241129;0930-1300:20241224"


@pytest.mark.parametrize("name", ["AAPPL", "24X7:AAPL", "NYSE:AAPL", ":AAPL", "AAPL:"])
def test_an_unknown_symbol_has_a_key_s(client: TestClient, name: str) -> None:
    """The presence of ``s`` is how clients know an error; a wrong exchange is none of ours."""
    reply = client.get("/udf/symbols", params={"symbol": name})
    assert reply.status_code == 404
    assert (reply.json()["s"], "no symbol" in reply.json()["errmsg"]) == ("error", True)


def test_search_finds_and_sorts(client: TestClient) -> None:
    """Whatever the case, those that begin with the text first; a limit holds; types and exchanges narrow."""
    found = client.get("/udf/search", params={"query": "btc", "limit": 30}).json()
    assert found == [
        {
            "symbol": "BTC-USD",
            "full_name": "24X7:BTC-USD",
            "description": "BTC-USD (crypto)",
            "exchange": "24X7",
            "ticker": "BTC-USD",
            "type": "crypto",
        }
    ]
    everything = client.get("/udf/search", params={"query": "", "limit": 100, "type": "", "exchange": ""}).json()
    assert len(everything) == 28
    assert len(client.get("/udf/search", params={"query": "", "limit": 3}).json()) == 3
    assert {one["type"] for one in client.get("/udf/search?type=crypto&limit=100").json()} == {"crypto"}
    assert {one["exchange"] for one in client.get("/udf/search?exchange=XNYS&limit=100").json()} == {"XNYS"}
    starts = [one["symbol"].startswith("A") for one in client.get("/udf/search?query=A&limit=100").json()]
    assert starts == sorted(starts, reverse=True)
    assert [one["symbol"] for one in client.get("/udf/search?query=XNYS:AAP").json()] == ["AAPL"]
    assert client.get("/udf/search?query=nothing-like-it").json() == []


# --- bars -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "ours"), [("1", "1m"), ("5", "5m"), ("15", "15m"), ("30", "30m")])
def test_minutes_are_the_stores(any_service: Service, any_client: TestClient, name: str, ours: str) -> None:
    """All values, numbers and not texts, in seconds, on every store."""
    for symbol in ("AAPL", "BTC-USD"):
        expected = stored_bars(any_service, symbol, ours, *day_bounds(FRIDAY))
        found = history(
            any_client, symbol=symbol, resolution=name, from_=FRIDAY_SECONDS, to=FRIDAY_SECONDS + DAY_SECONDS
        )
        assert found == {
            "s": "ok",
            "t": [ms // 1_000 for ms in expected["t"]],
            **{key: expected[key] for key in "ohlcv"},
        }


@pytest.mark.parametrize(("name", "ours"), [("60", "1h"), ("120", "2h"), ("240", "4h"), ("1D", "1d"), ("D", "1d")])
def test_hours_and_days_round_the_clock(client: TestClient, tiny_service: Service, name: str, ours: str) -> None:
    """Whole hours of the clock, days at midnight UTC; D is 1D."""
    expected = stored_bars(tiny_service, "BTC-USD", ours, day_start(THURSDAY), Nanos(MONDAY_SECONDS * SECOND))
    found = history(client, resolution=name, from_=THURSDAY_SECONDS, to=MONDAY_SECONDS)
    assert found["t"] == [ms // 1_000 for ms in expected["t"]]
    assert found["c"] == expected["c"]


@pytest.mark.parametrize(("name", "hours"), [("60", 1), ("120", 2), ("240", 4)])
def test_hours_of_a_stock_begin_with_its_session(client: TestClient, name: str, hours: int) -> None:
    """Half past, as the session does, and what the half hours have is in them."""
    found = history(client, symbol="AAPL", resolution=name, from_=FRIDAY_SECONDS, to=FRIDAY_SECONDS + DAY_SECONDS)
    session = session_on("XNYS", FRIDAY)
    assert session is not None
    assert found["t"] == [at // SECOND for at in range(session.open, session.close, hours * HOUR)]
    halves = history(client, symbol="AAPL", resolution="30", from_=FRIDAY_SECONDS, to=FRIDAY_SECONDS + DAY_SECONDS)
    assert sum(found["v"]) == pytest.approx(sum(halves["v"]))
    assert (found["o"][0], found["c"][-1], max(found["h"])) == (halves["o"][0], halves["c"][-1], max(halves["h"]))


@pytest.mark.parametrize("name", ["1", "5", "15", "30", "60", "120", "240"])
def test_bars_of_a_stock_lie_in_its_session(client: TestClient, name: str) -> None:
    """A client drops or shifts whatever does not."""
    found = history(client, symbol="AAPL", resolution=name, from_=THURSDAY_SECONDS, to=MONDAY_SECONDS)
    sessions = [session for day in (THURSDAY, FRIDAY) if (session := session_on("XNYS", day)) is not None]
    grid = {at // SECOND for one in sessions for at in range(one.open, one.close, int(name) * MINUTE)}
    assert set(found["t"]) <= grid
    assert all(one < other for one, other in pairwise(found["t"]))


def test_the_range_is_half_open(client: TestClient) -> None:
    """The bar at ``from`` is in, the one at ``to`` is not."""
    found = history(client, from_=FRIDAY_SECONDS, to=FRIDAY_SECONDS + 7_200)
    assert found["t"] == [FRIDAY_SECONDS, FRIDAY_SECONDS + 3_600]
    assert history(client, from_=FRIDAY_SECONDS + 1, to=FRIDAY_SECONDS + 3_601)["t"] == [FRIDAY_SECONDS + 3_600]


def test_the_count_outranks_from(client: TestClient) -> None:
    """Fewer in the range: earlier ones are added. More: all of them are given."""
    end = FRIDAY_SECONDS + 10 * 3_600
    added = history(client, from_=end - 3_600, to=end, countback=20)
    assert len(added["t"]) == 20
    assert added["t"][-1] == end - 3_600
    assert all(other - one == 3_600 for one, other in pairwise(added["t"]))
    assert len(history(client, from_=end - 5 * 3_600, to=end, countback=2)["t"]) == 5
    assert len(history(client, from_=end, to=end, countback=3)["t"]) == 3, "an empty range has a count as well"


def test_at_least_two_bars_are_given(client: TestClient) -> None:
    """A count of one is one too few for a front end; none is as if it were not there."""
    end = FRIDAY_SECONDS + 10 * 3_600
    assert len(history(client, from_=end - 3_600, to=end, countback=1)["t"]) == 2
    assert len(history(client, from_=end - 3_600, to=end, countback=0)["t"]) == 1


def test_a_weekend_does_not_end_history(client: TestClient) -> None:
    """With a count the bars before it come; without, the last one before is named, in seconds."""
    saturday, sunday = MONDAY_SECONDS - 2 * DAY_SECONDS, MONDAY_SECONDS - DAY_SECONDS
    found = history(client, symbol="AAPL", resolution="5", from_=saturday, to=sunday, countback=30)
    assert len(found["t"]) == 30
    assert max(found["t"]) < saturday
    assert history(client, symbol="AAPL", resolution="60", from_=saturday, to=sunday)["s"] == "no_data"
    gap = history(client, symbol="AAPL", resolution="5", from_=saturday, to=sunday)
    assert gap == {"s": "no_data", "nextTime": found["t"][-1]}


def test_no_data_means_that_there_is_nothing_earlier(client: TestClient) -> None:
    """Before the first bar: no data and no time to look at, with a count or without."""
    for asked in ({"countback": 300}, {}):
        found = history(client, from_=THURSDAY_SECONDS - 10 * DAY_SECONDS, to=THURSDAY_SECONDS - DAY_SECONDS, **asked)
        assert found == {"s": "no_data"}


def test_scrolling_back_ends(client: TestClient) -> None:
    """As a front end scrolls: each page ends where the one before began; all bars come once, then no data."""
    end = MONDAY_SECONDS
    seen: list[int] = []
    for _ in range(100):
        found = history(client, resolution="15", from_=end - 50 * 900, to=end, countback=50)
        if found["s"] == "no_data":
            break
        seen = found["t"] + seen
        end = found["t"][0]
    assert found == {"s": "no_data"}
    whole = history(client, resolution="15", from_=0, to=MONDAY_SECONDS)
    assert seen == whole["t"]


def test_from_may_be_before_everything(client: TestClient) -> None:
    """Front ends ask for negative times and for years to come."""
    whole = history(client, resolution="1D", from_=-2_208_988_800, to=10**11, countback=2)
    assert whole == history(client, resolution="1D", from_=THURSDAY_SECONDS, to=MONDAY_SECONDS + 2 * DAY_SECONDS)
    assert whole["t"] == [THURSDAY_SECONDS + at * DAY_SECONDS for at in range(5)]


def test_polls_of_what_is_to_come_find_the_last_bar(client: TestClient) -> None:
    """A chart polls for live bars: nothing yet, with the last bar to look at."""
    last = history(client, resolution="1", from_=MONDAY_SECONDS, to=10**10, countback=2)["t"][-1]
    assert history(client, resolution="1", from_=10**9 * 2, to=10**10) == {"s": "no_data", "nextTime": last}


def test_further_parameters_are_let_pass(client: TestClient) -> None:
    """Clients send firstDataRequest, currencyCode and unitId."""
    asked = {"from_": FRIDAY_SECONDS, "to": FRIDAY_SECONDS + 7_200}
    more = {"firstDataRequest": "true", "currencyCode": "USD", "unitId": "x"}
    assert history(client, **asked, **more) == history(client, **asked)


def test_weeks_and_months_are_named_by_a_day_of_trading(tmp_path: Path) -> None:
    """A stock's week or month begins with its first session; a pair's at midnight of the first day."""
    service = service_in(tmp_path, WEEK, start="2024-01-01", end="2024-01-05", total_trades=5_000)
    with asking(service) as client:
        asked: dict[str, Any] = {"from": day_start(THURSDAY) // SECOND - 60 * DAY_SECONDS, "to": 10**10}
        for name in ("1W", "W", "1M", "M"):
            stock = client.get("/udf/history", params={"symbol": "AAPL", "resolution": name, **asked}).json()
            pair = client.get("/udf/history", params={"symbol": "BTC-USD", "resolution": name, **asked}).json()
            assert stock["t"] == [day_start(THURSDAY) // SECOND - 2 * DAY_SECONDS], "the first is a holiday"
            assert pair["t"] == [day_start(THURSDAY) // SECOND - 3 * DAY_SECONDS]
        only = client.get("/udf/history", params={"symbol": "AAPL", "resolution": "1W", **asked, "countback": 5}).json()
        assert len(only["t"]) == 1


@pytest.mark.parametrize(
    ("changed", "status", "says"),
    [
        ({"symbol": "AAPPL"}, 404, "no symbol 'AAPPL'"),
        ({"resolution": "1h"}, 422, "resolution"),
        ({"resolution": "7"}, 422, "no resolution '7'"),
        ({"from": 20, "to": 10}, 422, "ends at 10, before it starts at 20"),
        ({"from": "soon"}, 422, "from: input should be a valid integer"),
        ({"to": ""}, 422, "to: input should be a valid integer"),
        ({"countback": -1}, 422, "countback"),
        ({"symbol": ""}, 422, "symbol"),
    ],
)
def test_wrong_input_is_told_as_an_error(client: TestClient, changed: dict[str, Any], status: int, says: str) -> None:
    """``s`` is error and ``errmsg`` a sentence, whatever the status; nothing is silently made right."""
    asked = {"symbol": "AAPL", "resolution": "60", "from": 0, "to": 10, **changed}
    reply = client.get("/udf/history", params=asked)
    assert (reply.status_code, reply.json()["s"]) == (status, "error")
    assert says in reply.json()["errmsg"]


def test_more_bars_than_an_answer_may_have_are_refused(tmp_path: Path) -> None:
    """No silent cap: the number is told."""
    with asking(service_in(tmp_path, serve_rows=1_000)) as client:
        asked: dict[str, Any] = {"symbol": "BTC-USD", "resolution": "1", "from": 0, "to": 10**10}
        reply = client.get("/udf/history", params=asked)
        assert (reply.status_code, reply.json()["s"], reply.json()["rows"]) == (422, "error", 3 * 1_440)


def test_bars_are_never_adapted(client: TestClient) -> None:
    """A year at one minute is answered at one minute: a front end shifts others, or asks for ever."""
    found = history(client, resolution="1", from_=THURSDAY_SECONDS - 400 * DAY_SECONDS, to=MONDAY_SECONDS)
    assert min(other - one for one, other in pairwise(found["t"])) == 60


# --- quotes and marks -------------------------------------------------------------------------------------------------


def test_quotes_are_the_last_days(client: TestClient) -> None:
    """Under exactly the names that were asked; an unknown one does not spoil the others."""
    quotes = client.get("/udf/quotes", params={"symbols": "XNYS:AAPL,BTC-USD,NONE"}).json()
    assert quotes["s"] == "ok"
    assert [(one["n"], one["s"]) for one in quotes["d"]] == [("XNYS:AAPL", "ok"), ("BTC-USD", "ok"), ("NONE", "error")]
    days = history(client, resolution="1D", from_=THURSDAY_SECONDS, to=10**10)
    values = quotes["d"][1]["v"]
    assert (values["lp"], values["prev_close_price"]) == (days["c"][-1], days["c"][-2])
    assert (values["open_price"], values["high_price"], values["low_price"]) == tuple(days[key][-1] for key in "ohl")
    assert values["ch"] == pytest.approx(days["c"][-1] - days["c"][-2])
    assert values["chp"] == pytest.approx(100 * (days["c"][-1] / days["c"][-2] - 1), abs=1e-4)
    assert (values["short_name"], values["exchange"], values["volume"]) == ("BTC-USD", "24X7", days["v"][-1])


def test_quotes_without_bars_or_without_a_day_before(tmp_path: Path) -> None:
    """Of one day alone the opening is what it changed from; without any there is an error in its place."""
    service = service_in(tmp_path)
    with asking(service) as client:
        single = client.get("/udf/quotes", params={"symbols": "AAPL"}).json()["d"][0]
        assert single["v"]["prev_close_price"] == single["v"]["open_price"]
        for day in (FRIDAY, SATURDAY):
            service.project.bar_store.delete_day(RESOLUTIONS["1d"], day)
        none = client.get("/udf/quotes", params={"symbols": "AAPL"}).json()["d"][0]
        assert (none["s"], none["errmsg"]) == ("error", "There are no bars of AAPL yet.")
        too_many = client.get("/udf/quotes", params={"symbols": ",".join(["A"] * 101)})
        assert too_many.status_code == 422


def test_early_closes_are_marked(client: TestClient, tmp_path: Path) -> None:
    """On the last bar of the session, at a time that a bar has; nowhere else."""
    service = service_in(tmp_path, (), start="2024-07-01", end="2024-07-08", total_trades=5_000)
    with asking(service) as july:
        wednesday = 1_719_964_800
        asked: dict[str, Any] = {
            "symbol": "AAPL",
            "from": wednesday - 5 * DAY_SECONDS,
            "to": wednesday + 5 * DAY_SECONDS,
        }
        expected = {
            "1": 17 * 3_600 - 60,
            "30": 16 * 3_600 + 1_800,
            "60": 16 * 3_600 + 1_800,
            "1D": 0,
            "1W": -2 * DAY_SECONDS,
        }
        for name, offset in expected.items():
            marks = july.get("/udf/marks", params={**asked, "resolution": name}).json()
            assert marks["time"] == [wednesday + offset], name
            assert marks["text"] == ["The session of 2024-07-03 ends early."]
            assert {len(column) for column in marks.values()} == {1}
        at = wednesday + expected["1"]
        for to, times in ((at, [at]), (at - 1, [])):
            last = july.get("/udf/marks", params={**asked, "resolution": "1", "to": to}).json()
            assert last["time"] == times, "the end is included"
        month = july.get("/udf/marks", params={**asked, "resolution": "1M"}).json()
        assert month["time"] == [wednesday - 2 * DAY_SECONDS]
        assert july.get("/udf/marks", params={**asked, "symbol": "BTC-USD", "resolution": "1"}).json()["id"] == []
    none = client.get("/udf/marks", params={"symbol": "AAPL", "resolution": "1", "from": 0, "to": 10})
    assert none.json()["id"] == []
