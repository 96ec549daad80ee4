# ruff: noqa: INP001, T201 -- a script, no part of the package
"""Thousands of listeners who mostly hear nothing: what they cost the service, and how soon a trade reaches them all.

Run ``python benchmarks/idle_listeners.py --listeners 5000``. It serves an empty dataset in the embedded store in a
process of its own, opens so many WebSockets that follow the one-minute bars of a symbol each, lets them idle, then
posts a trade of every symbol, several times. Each listener takes two of the files that a process may have open, one on
either side.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import psutil

from ohlcv_assets.bench.serving.client import Connection, connected, passed
from ohlcv_assets.bench.serving.listening import Listener, listener
from ohlcv_assets.bench.serving.live import PATH, STREAM, Topic
from ohlcv_assets.bench.serving.run import posting
from ohlcv_assets.bench.serving.scratch import DAY
from ohlcv_assets.units import HOUR, day_start

NOON = day_start(DAY) + 12 * HOUR
PATIENCE = 60.0
ROUNDS = 10


@dataclass
class Ear:
    """What one listener has heard.

    Attributes
    ----------
    began, beats
        Whether its subscription has begun; signs of life.
    heard
        When it heard of the first trade, the second and so on: a bar says how many it has.
    """

    began: bool = False
    beats: int = 0
    heard: list[float] = field(default_factory=list)

    def hear(self, text: bytes) -> None:
        """Take notice of a frame."""
        now = time.perf_counter()
        frame: Any = orjson.loads(text)  # Any: JSON
        self.began = self.began or frame["type"] == "snapshot"
        self.beats += frame["type"] == "heartbeat"
        trades = max(frame.get("bars", {}).get("n", ()), default=0)
        self.heard += [now] * (trades - len(self.heard))


async def until(ears: Sequence[Ear], what: str, trades: int = 0) -> None:
    """Wait until all listeners have begun, and have heard of so many trades."""
    deadline = time.perf_counter() + PATIENCE
    while lacking := sum(not (ear.began and len(ear.heard) >= trades) for ear in ears):
        if time.perf_counter() > deadline:
            raise SystemExit(f"{lacking} of {len(ears)} listeners {what}.")
        await asyncio.sleep(0.02)


async def listening(url: str, count: int, topics: Sequence[Topic], ears: list[Ear]) -> list[Listener]:
    """Open so many listeners, a hundred at a time."""
    opened: list[Listener] = []
    while len(opened) < count:
        fresh = [Ear() for _ in range(min(100, count - len(opened)))]
        opened += await asyncio.gather(*(listener(url, STREAM, ear.hear) for ear in fresh))
        for ear, one in zip(fresh, opened[-len(fresh) :], strict=True):
            wanted = {"channel": "bars", "symbol": topics[len(ears) % len(topics)].symbol, "resolution": "1m"}
            one.say(orjson.dumps({"op": "subscribe", "id": 1, **wanted}))
            ears.append(ear)
    await until(ears, "had no answer to their subscription")
    return opened


async def posted(connection: Connection, topics: Sequence[Topic], ears: Sequence[Ear], number: int) -> list[float]:
    """Post a trade of every symbol; return how many milliseconds it took until each listener had heard of it."""
    body = b"".join(topic.line(NOON + number * 1_000_000, number) for topic in topics)
    began = time.perf_counter()
    passed(await connection.ask(PATH, body=body, headers={"Content-Type": "application/x-ndjson"}), PATH)
    await until(ears, "did not hear of a trade", number + 1)
    return [1e3 * (ear.heard[number] - began) for ear in ears]


async def measured(url: str, key: str, process: psutil.Process, count: int, seconds: float) -> None:
    """Open listeners, let them idle, post, and say what came of it."""
    async with connected(url, 1, key) as (connection,):
        listed = (await connection.get("/api/v1/symbols")).document()["symbols"]
        topics = [Topic(one["symbol"], one["tick_size"], one["lot_size"]) for one in listed]
        first: list[Ear] = []
        opened = await listening(url, len(topics), topics, first)
        await posted(connection, topics, first, 0)
        before, ears = process.memory_info().rss, list[Ear]()
        began = time.perf_counter()
        opened += await listening(url, count, topics, ears)
        took = time.perf_counter() - began
        await asyncio.sleep(2.0)
        memory = (process.memory_info().rss - before) / count
        print(
            f"{count} listeners opened and begun in {took:.1f} s; {memory / 1024:.1f} kB of the service's memory each"
        )
        used, beats, began = sum(process.cpu_times()[:2]), sum(ear.beats for ear in ears), time.perf_counter()
        await asyncio.sleep(seconds)
        used, beats = sum(process.cpu_times()[:2]) - used, sum(ear.beats for ear in ears) - beats
        idle = time.perf_counter() - began
        print(f"idle for {idle:.0f} s: {100 * used / idle:.1f} % of a core, {beats / idle:.0f} signs of life a second")
        late = np.array([await posted(connection, topics, ears, 1 + number) for number in range(ROUNDS)])
        worst = late.max(axis=1)
        print(f"a trade of each of {len(topics)} symbols, {ROUNDS} times: p50 {np.median(late):.0f} ms")
        print(
            f"until the last of all {count} had heard of it: {np.median(worst):.0f} ms (at most {worst.max():.0f} ms)"
        )
        for one in opened:
            one.close()


def main() -> None:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(description="Measure thousands of idle listeners.")
    parser.add_argument("--listeners", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=60.0, help="How long they idle.")
    chosen = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Those of the service are its own process's, which takes this limit over.
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    given = {"store": "duckdb", "serve_streams": chosen.listeners + 100}
    with tempfile.TemporaryDirectory() as folder, posting(given, Path(folder)) as (url, key):
        (process,) = psutil.Process().children()
        asyncio.run(measured(url, key, process, chosen.listeners, chosen.seconds))


if __name__ == "__main__":
    main()
