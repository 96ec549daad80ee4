"""Replaying a day: which trades, when each is due, on which day they fall, and what a service may answer."""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import SecretStr

from ohlcv_assets.errors import OutsideDatasetError, ServiceError, UnknownSymbolError, UserError
from ohlcv_assets.live import target as target_module
from ohlcv_assets.live.replay import Replayed, replay, trades_of
from ohlcv_assets.live.shifting import shifted
from ohlcv_assets.live.target import Receipt, Target
from ohlcv_assets.market.calendars import session_on
from ohlcv_assets.market.schema import STORED, TS_TYPE
from ohlcv_assets.market.universe import load_universe
from ohlcv_assets.pipeline.steps import file_day
from ohlcv_assets.progress import Progress
from ohlcv_assets.stores.tables import nanos
from ohlcv_assets.units import SECOND, day_start
from ohlcv_assets_tests.pipeline.made import FRIDAY, SATURDAY, THURSDAY, project_in
from ohlcv_assets_tests.secrets_guard import keep_secret
from ohlcv_assets_tests.servers import free_port

pytestmark = pytest.mark.unit
UNIVERSE = load_universe()


def trades_at(symbol: str, *ts: int) -> pa.Table:
    """Return a trade of a symbol at each of some instants."""
    ones = np.ones(len(ts))
    symbols: pa.Array[Any] = pa.array([symbol] * len(ts))  # Any: a type parameter varies
    columns = [symbols, pa.array(ts, pa.int64()).cast(TS_TYPE), pa.array(ones), pa.array(ones)]
    return pa.Table.from_arrays([*columns, pa.array(ones.astype(np.int8))], names=STORED.names).cast(STORED)


# --- which trades -----------------------------------------------------------------------------------------------------


def test_trades_come_from_the_file_or_the_store_or_are_made(tmp_path: Path) -> None:
    """Each time the same ones, in order of time; some symbols alone where asked for."""
    project = project_in(tmp_path, total_trades=600)
    made, origin = trades_of(project, FRIDAY, None)
    assert origin == "generator"
    project.trade_store.append(made)
    stored, origin = trades_of(project, FRIDAY, None)
    assert origin == "store"
    file_day(project, FRIDAY)
    filed, origin = trades_of(project, FRIDAY, None)
    assert origin == "file"
    assert made.num_rows == sum(project.source.counts(FRIDAY).values())
    for table in (made, stored, filed):
        assert table.schema.names == STORED.names
        assert (np.diff(nanos(table["ts"])) >= 0).all()
        assert np.array_equal(np.sort(table["price"].to_numpy()), np.sort(made["price"].to_numpy()))
    for day in (FRIDAY, THURSDAY):
        some, _ = trades_of(project, day, ["BTC-USD", "AAPL"])
        assert set(some["symbol"].to_pylist()) == {"BTC-USD", "AAPL"}


def test_what_cannot_be_replayed_is_said(tmp_path: Path) -> None:
    """A day outside the dataset, a symbol that there is not, a day without trades of it."""
    project = project_in(tmp_path, total_trades=600)
    with pytest.raises(OutsideDatasetError, match="2024-02-01 is outside dataset 'default'"):
        trades_of(project, dt.date(2024, 2, 1), None)
    with pytest.raises(UnknownSymbolError):
        trades_of(project, FRIDAY, ["BTCUSD"])
    with pytest.raises(UserError, match="no trades of 2024-01-06"):
        trades_of(project, SATURDAY, ["AAPL"])


# --- other days -------------------------------------------------------------------------------------------------------


def test_the_same_day_is_left_as_it_is() -> None:
    """Without a look at any session."""
    trades = trades_at("AAPL", day_start(FRIDAY))
    assert shifted(trades, UNIVERSE, FRIDAY, FRIDAY) is trades


def test_stocks_keep_the_times_of_their_session() -> None:
    """From winter to summer by an hour less; crypto pairs by whole days."""
    summer = dt.date(2024, 7, 5)
    winter_session, summer_session = session_on("XNYS", FRIDAY), session_on("XNYS", summer)
    assert winter_session is not None
    assert summer_session is not None
    both = pa.concat_tables([trades_at("AAPL", winter_session.open + 7), trades_at("BTC-USD", day_start(FRIDAY) + 9)])
    moved = shifted(both.unify_dictionaries(), UNIVERSE, FRIDAY, summer)
    assert nanos(moved["ts"]).tolist() == [summer_session.open + 7, day_start(summer) + 9]
    assert moved.schema == STORED
    assert moved["symbol"].to_pylist() == ["AAPL", "BTC-USD"]


def test_what_falls_behind_an_early_close_is_left_out() -> None:
    """On the day before Independence Day New York closes at one."""
    early = dt.date(2024, 7, 3)
    session = session_on("XNYS", FRIDAY)
    assert session is not None
    moved = shifted(trades_at("AAPL", session.open, session.close - SECOND), UNIVERSE, FRIDAY, early)
    assert moved.num_rows == 1


@pytest.mark.parametrize(("day", "to", "shut"), [(FRIDAY, SATURDAY, SATURDAY), (SATURDAY, FRIDAY, SATURDAY)])
def test_a_day_without_a_session_takes_no_stocks(day: dt.date, to: dt.date, shut: dt.date) -> None:
    """Nor gives any."""
    with pytest.raises(UserError, match=f"{shut} has no session of XNYS"):
        shifted(trades_at("AAPL", day_start(day)), UNIVERSE, day, to)


# --- when -------------------------------------------------------------------------------------------------------------


class Clock(threading.Event):
    """A clock that waiting moves, and that counts what is posted."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.now = 100.0
        self.seconds = seconds
        self.posts: list[tuple[float, list[float], str]] = []

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def wait(self, timeout: float | None = None) -> bool:
        """Let time pass."""
        self.now += timeout or 0
        return self.is_set()

    def post(self, trades: pa.Table, name: str, /) -> Receipt:
        """Take notice of trades, which takes so long."""
        begun = day_start(FRIDAY)
        at = [round((ts - begun) / SECOND, 3) for ts in nanos(trades["ts"]).tolist()]
        self.posts.append((round(self.now - 100, 3), at, name))
        self.now += self.seconds
        return Receipt(stored=trades.num_rows - 1, moved=1, duplicates=1, repeats=2)

    def replay(
        self, seconds: Sequence[float], speed: float | None, **more: Any
    ) -> Replayed:  # Any: parameters of replay
        """Replay a trade at each of some seconds after Friday began."""
        trades = trades_at("BTC-USD", *(day_start(FRIDAY) + int(second * SECOND) for second in seconds))
        return replay(trades, self.post, speed, stop=self, clock=self, **more)


def test_each_trade_is_posted_when_it_is_due() -> None:
    """Counted from the first; what comes close together goes together."""
    clock = Clock()
    done = clock.replay([50, 50.001, 52, 52.01, 60], 2.0)
    assert [(post[0], post[1]) for post in clock.posts] == [
        (0, [50]),
        (0.02, [50.001]),
        (1.0, [52]),
        (1.02, [52.01]),
        (5.0, [60]),
    ]
    assert len({post[2] for post in clock.posts}) == 5
    assert (done.posted, done.stored, done.moved, done.duplicates, done.requests, done.repeats) == (5, 0, 5, 5, 5, 10)
    assert done.behind == pytest.approx(0.0195)
    assert (done.seconds, done.interrupted) == (5.0, False)


def test_who_is_late_catches_up() -> None:
    """In full requests, one after the other; how late it was is told."""
    clock, events = Clock(3.0), list[Progress]()
    done = clock.replay([0, 1, 2, 3, 4, 5], 1.0, batch=2, observer=events.append)
    assert [post[:2] for post in clock.posts] == [(0, [0]), (3, [1, 2]), (6, [3, 4]), (9, [5])]
    assert done.behind == 7
    assert [(event.stage, event.subject, event.done, event.total) for event in events] == [
        ("replay", "2024-01-05", at, 6) for at in (1, 3, 5, 6)
    ]
    assert events[-1].detail == {"rate": 0, "behind": 7.0}


def test_as_fast_as_possible_waits_for_nothing() -> None:
    """Full requests from the beginning; nothing is late."""
    clock = Clock()
    done = clock.replay([0, 100, 200, 300, 400], None, batch=2)
    assert [post[:2] for post in clock.posts] == [(0, [0, 100]), (0, [200, 300]), (0, [400])]
    assert (done.behind, done.seconds) == (0, 0)


def test_it_stops_between_two_requests() -> None:
    """What was posted is counted."""
    clock = Clock()

    def stop(event: Progress, /) -> None:
        assert event.unit == "trades"
        clock.set()

    done = clock.replay([0, 1, 2], 1.0, observer=stop)
    assert (done.posted, done.interrupted) == (1, True)
    assert replay(trades_at("BTC-USD", 1), clock.post, None).interrupted is False


# --- the service ------------------------------------------------------------------------------------------------------


@dataclass
class Scripted:
    """A service that answers what it is told to; None closes the connection."""

    answers: list[tuple[int, dict[str, str], bytes] | None]
    url: str = ""
    asked: list[tuple[dict[str, str], Any]] = field(default_factory=list)  # Any: JSON


@contextmanager
def serving(*answers: tuple[int, dict[str, str], bytes] | None) -> Iterator[Scripted]:
    """Serve some answers on a real socket."""
    script = Scripted(list(answers))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            script.asked.append((dict(self.headers), json.loads(body)))
            answer = script.answers.pop(0)
            if answer is None:
                self.close_connection = True
                return
            self.send_response(answer[0])
            for name, value in (answer[1] | {"Content-Length": str(len(answer[2]))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer[2])

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- as the library has it
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield script
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def said(status: int, more: object, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Return an answer."""
    return status, headers, json.dumps(more).encode()


STORED_ALL = said(201, {"stored": 1, "moved": 0, "duplicates": 0})
KEY = keep_secret("ohlcv_0123abcd_a key that nobody may see")


def post_to(script: Scripted, key: str | None = KEY, patience: float = 30.0) -> tuple[Receipt, list[float]]:
    """Post a trade and return the answer and how long was waited."""
    waits: list[float] = []
    target = Target(script.url + "/", None if key is None else SecretStr(key), patience=patience, sleep=waits.append)
    try:
        return target.post(trades_at("BTC-USD", 7), "a name"), waits
    finally:
        target.close()


def test_trades_are_posted_with_key_and_name() -> None:
    """As integers of nanoseconds, which lose nothing."""
    with serving(STORED_ALL) as script:
        assert post_to(script) == (Receipt(1, 0, 0), [])
    headers, body = script.asked[0]
    assert body == [{"symbol": "BTC-USD", "ts": 7, "price": 1.0, "amount": 1.0, "side": 1}]
    assert (headers["X-API-Key"], headers["Idempotency-Key"]) == (KEY, "a name")


def test_what_may_pass_is_sent_again_under_the_same_name() -> None:
    """As long as the service asks, or ever longer; a connection that breaks is no answer."""
    busy = said(503, {}, **{"Retry-After": "3"})
    with serving(busy, None, said(429, {}), STORED_ALL) as script:
        receipt, waits = post_to(script)
    assert (receipt.repeats, waits) == (3, [3.0, 1.0, 2.0])
    assert len({headers["Idempotency-Key"] for headers, _ in script.asked}) == 1


def test_patience_ends() -> None:
    """With one sentence; where nobody ever answered it does not begin."""
    with (
        serving(said(503, {}), said(503, {})) as script,
        pytest.raises(ServiceError, match=r"\(status 503\): try again"),
    ):
        post_to(script, patience=0)
    with pytest.raises(ServiceError, match=r"NewConnectionError\): start it with `ohlcv serve`"):
        post_to(Scripted([], f"http://127.0.0.1:{free_port()}"))


@pytest.mark.parametrize(
    ("answer", "key", "says"),
    [
        (said(401, {"detail": "x"}), None, "takes trades with a key alone: `ohlcv keys create"),
        (said(401, {"detail": "x"}), KEY, "does not know the key of OHLCV_SERVICE_KEY"),
        (said(403, {"detail": "x"}), KEY, "may not write"),
        (
            said(409, {"type": "urn:ohlcv:problem:closed", "detail": "It is closed."}),
            KEY,
            "It is closed. --to DAY replays",
        ),
        (said(422, {"detail": "No such symbol."}), KEY, "refused the trades: No such symbol."),
        (said(200, []), KEY, "is no service of ohlcv"),
        ((404, {}, b"<html>"), KEY, r"is no service of ohlcv \(status 404\)"),
        ((307, {"Location": "http://example.org"}, b""), KEY, r"is no service of ohlcv \(status 307\)"),
    ],
)
def test_every_refusal_is_one_sentence(answer: tuple[int, dict[str, str], bytes], key: str | None, says: str) -> None:
    """That says what to do, and never the key."""
    with serving(answer) as script, pytest.raises(ServiceError, match=says) as caught:
        post_to(script, key)
    assert KEY not in str(caught.value)
    assert target_module.ROUTE == "/api/v1/trades"
