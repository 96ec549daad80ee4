"""Trades posted until seen: how long they take through the service to those who listen.

What belongs here: posting at a rate, listening, and matching the two. What does not: where it is posted to
(``scratch``).

All trades fall into one minute, so a bar's number of trades says which of them it has. A listener has seen a request's
trades with the first frame whose bar has as many as were posted until then; time runs from when the request was due,
not from when it could be sent, so that a service that stalls is not asked less.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import orjson

from ohlcv_assets.bench.figures import Figure
from ohlcv_assets.bench.serving.client import Connection, connected, passed
from ohlcv_assets.bench.serving.listening import Listener, listener
from ohlcv_assets.errors import UserError
from ohlcv_assets.logs import get_logger

CASE: Final = "live"
SEEN_TARGET: Final = 60.0
PATH: Final = "/api/v1/trades"
STREAM: Final = "/api/v1/stream"
_LANES: Final = 32
_PATIENCE: Final = 30.0
_LOOK: Final = 0.01
_LINES: Final = {"Content-Type": "application/x-ndjson"}
_NANOS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Load:
    """What is posted.

    Attributes
    ----------
    rate, each
        Trades a second, and of a request.
    seconds
        How long; less than a minute.
    listeners
        Who listens, to the one-minute bars of a symbol each.
    """

    rate: int = 5_000
    each: int = 50
    seconds: float = 10.0
    listeners: int = 200

    @property
    def requests(self) -> int:
        """Requests in all."""
        return max(1, int(self.seconds * self.rate / self.each))


@dataclass
class Topic:
    """One symbol: what was posted of it, and who saw how much.

    Attributes
    ----------
    symbol, tick, lot
        As the service describes it.
    posted, due
        By request: trades posted until then, and when it was due.
    """

    symbol: str
    tick: float
    lot: float
    posted: list[int] = field(default_factory=list)
    due: list[float] = field(default_factory=list)

    def line(self, ts: int, number: int) -> bytes:
        """Return a trade as a line."""
        price = (100_000 + number % 50) / round(1 / self.tick)
        amount = (1 + number % 9) / round(1 / self.lot)
        trade = {"symbol": self.symbol, "ts": ts, "price": price, "amount": amount, "side": 1 - 2 * (number % 2)}
        return orjson.dumps(trade) + b"\n"


@dataclass
class Watch:
    """What one listener has seen of a topic.

    Attributes
    ----------
    topic
        Its topic.
    late
        Milliseconds from due to seen, of each request.
    frames
        How many it got.
    """

    topic: Topic
    late: list[float] = field(default_factory=list)
    frames: int = 0
    at: int = 0

    def heard(self, text: bytes) -> None:
        """Look how many trades a frame's bars have."""
        now = time.perf_counter()
        frame: Any = orjson.loads(text)  # Any: JSON
        if frame.get("type") == "error":
            raise UserError(f"The stream refused: {frame.get('detail')}")
        if "bars" not in frame:
            return
        self.frames += 1
        seen = max(frame["bars"]["n"], default=0)
        topic = self.topic
        while self.at < len(topic.posted) and topic.posted[self.at] <= seen:
            self.late.append(1e3 * (now - topic.due[self.at]))
            self.at += 1

    @property
    def done(self) -> bool:
        """Whether everything was seen."""
        return self.at == len(self.topic.posted)


Hearing = tuple[Listener, Watch]


async def live_figures(url: str, key: str, start: int, load: Load) -> list[Figure]:
    """Post trades and listen.

    Parameters
    ----------
    url, key
        The service, on a dataset of one empty day, and a key that may write.
    start
        The day's first instant, nanoseconds.
    load
        What is posted.

    Raises
    ------
    UserError
        The service refuses, or does not show everything that was posted.
    """
    async with connected(url, _LANES, key) as lanes:
        if "post" not in (await lanes[0].get("/openapi.json")).document()["paths"].get(PATH, {}):
            get_logger("bench").warning("Posting was not measured.", why="the service takes no trades")
            return []
        topics = await _topics(lanes[0])
        watches = [Watch(topics[number % len(topics)]) for number in range(load.listeners)]
        listeners = [await listener(url, STREAM, watch.heard) for watch in watches]
        try:
            took = await _measured(lanes, list(zip(listeners, watches, strict=True)), topics, load, start)
        finally:
            for one in listeners:
                one.close()
    return _figures(watches, load, took)


async def _measured(
    lanes: Sequence[Connection],
    hearing: Sequence[tuple[Listener, Watch]],
    topics: Sequence[Topic],
    load: Load,
    start: int,
) -> float:
    """Post what only warms the service up, then what counts; return the seconds that took."""
    watches = [watch for _, watch in hearing]
    for one, watch in hearing:
        one.say(orjson.dumps(_subscription(watch.topic.symbol)))
    # The first trades of a day have the service read it of the store, which is not what is asked about.
    await _post(lanes, topics, replace(load, seconds=len(topics) * load.each / load.rate), start)
    await _all_seen(watches)
    for watch in watches:
        watch.late, watch.frames = [], 0
    took = await _post(lanes, topics, load, start + _NANOS)
    await _all_seen(watches)
    return took


async def _topics(connection: Connection) -> list[Topic]:
    listed = (await connection.get("/api/v1/symbols")).document()["symbols"]
    return [Topic(one["symbol"], one["tick_size"], one["lot_size"]) for one in listed if one["calendar"] == "24/7"]


def _subscription(symbol: str) -> Mapping[str, object]:
    return {"op": "subscribe", "id": 1, "channel": "bars", "symbol": symbol, "resolution": "1m"}


async def _post(lanes: Sequence[Connection], topics: Sequence[Topic], load: Load, start: int) -> float:
    """Post everything, each request when it is due or as soon as a connection is free; return the seconds it took."""
    numbers, began = iter(range(load.requests)), time.perf_counter()

    async def lane(connection: Connection) -> None:
        for number in numbers:
            due = began + number * load.each / load.rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            topic = topics[number % len(topics)]
            first = start + int((due - began) * _NANOS)
            step = _NANOS // load.rate
            body = b"".join(topic.line(first + row * step, row) for row in range(load.each))
            topic.posted.append(load.each + (topic.posted[-1] if topic.posted else 0))
            topic.due.append(due)
            passed(await connection.ask(PATH, body=body, headers=_LINES), PATH)

    await asyncio.gather(*(lane(connection) for connection in lanes))
    return time.perf_counter() - began


async def _all_seen(watches: Sequence[Watch]) -> None:
    deadline = time.perf_counter() + _PATIENCE
    while not all(watch.done for watch in watches):
        if time.perf_counter() > deadline:
            lacking = sum(not watch.done for watch in watches)
            raise UserError(f"{lacking} of {len(watches)} listeners did not see all trades within {_PATIENCE:g} s.")
        await asyncio.sleep(_LOOK)


def _figures(watches: Sequence[Watch], load: Load, took: float) -> list[Figure]:
    late = np.array([one for watch in watches for one in watch.late])
    rate = load.requests * load.each / took
    frames = sum(watch.frames for watch in watches) / took
    method = (
        f"{rate:,.0f} trades/s in requests of {load.each}, {load.listeners} listeners to the one-minute bars of a "
        f"symbol each, {load.seconds:g} s; {frames:,.0f} frames/s"
    )
    spread = (float(late.min()), float(late.max()))
    figures = {"p99": SEEN_TARGET, "p50": None}
    return [
        Figure(CASE, f"posted until seen on the WebSocket, {name}", float(np.percentile(late, int(name[1:]))), "ms",
               target, "", None, method, spread)
        for name, target in figures.items()
    ]  # fmt: skip
