"""Questions about bars: how long one takes, how much of that is the store's, how many a second the cache answers.

What belongs here: timing requests for stored bars. What does not: live bars (``live``), pages (``page``).
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np

from ohlcv_assets.bars.resolutions import RESOLUTIONS
from ohlcv_assets.bench.figures import Figure
from ohlcv_assets.bench.serving.client import Connection, Reply, connected
from ohlcv_assets.bench.serving.subject import DAY, SPANS, Subject
from ohlcv_assets.errors import UserError

CASE: Final = "bars over HTTP"
RANGES: Final = "ranges"
WARMED: Final = 20
LANES: Final = 8
"""Connections that ask the cache at the same time."""

_THOUSAND: Final = 1e3
_STORE: Final = re.compile(r"\bstore;dur=([0-9.]+)")


@dataclass(frozen=True, slots=True)
class Times:
    """What some requests took.

    Attributes
    ----------
    whole, outside
        Milliseconds of each, as the client saw it; without what the store took of it.
    rows, size
        Bars and bytes of the last answer.
    """

    whole: Sequence[float]
    outside: Sequence[float]
    rows: int
    size: int

    def method(self) -> str:
        """Return how they came about."""
        return f"{len(self.whole)} ranges, one after the other, none asked before; {self.rows:,} bars, {self.size:,} B"


async def timed(connection: Connection, paths: Iterator[str], repeats: int, warmed: int = WARMED) -> Times:
    """Ask some questions, one after the other, after some that only warm the store up."""
    for path in islice(paths, warmed):
        await connection.get(path)
    replies = [await connection.get(path) for path in islice(paths, repeats)]
    whole = [_THOUSAND * reply.seconds for reply in replies]
    outside = [_THOUSAND * reply.seconds - _in_store(reply) for reply in replies]
    return Times(whole, outside, replies[-1].document()["count"], len(replies[-1].body))


async def bars_figures(connection: Connection, subject: Subject, repeats: int) -> list[Figure]:
    """Time a day of one-minute bars, a year of days and a quarter of 15 minutes."""
    minutes = await timed(connection, subject.paths("1m", DAY), repeats)
    days = await timed(connection, subject.paths("1d", subject.span("year")), repeats)
    quarters = await timed(connection, subject.paths("15m", subject.days(90)), repeats)
    return [
        _figure("1,440 bars of 1m, p50", minutes, minutes.whole, 50, 10),
        _figure("1,440 bars of 1m, p99", minutes, minutes.whole, 99, 40),
        _figure("1,440 bars of 1m, outside the store, p50", minutes, minutes.outside, 50, 3),
        _figure("a year of 1d, p50", days, days.whole, 50, 12),
        _figure("90 days of 15m, p50", quarters, quarters.whole, 50, 30),
    ]


async def ranges_figures(connection: Connection, subject: Subject, repeats: int) -> list[Figure]:
    """Time every resolution over every span, each exactly as asked for."""
    figures = []
    for resolution in RESOLUTIONS:
        for span in SPANS:
            times = await timed(connection, subject.paths(resolution, subject.span(span)), repeats, warmed=1)
            value = float(np.percentile(times.whole, 50))
            method = f"p50 of {repeats} ranges each, none asked before, at exactly this resolution"
            figures.append(Figure(RANGES, f"{resolution}, a {span}", value, "ms", None, "", None, method))
    return figures


async def cached_figures(url: str, subject: Subject, seconds: float, key: str | None) -> list[Figure]:
    """Count the requests a second for a closed day of one-minute bars, as it is and compressed."""
    path = subject.path("1m", subject.start, DAY)
    async with connected(url, LANES, key) as lanes:
        plain = await _rate(lanes, path, seconds, gzip=False)
        packed = await _rate(lanes, path, seconds, gzip=True)
    method = f"{LANES} connections, {seconds:g} s"
    return [
        Figure(CASE, "1,440 bars of 1m from the cache", plain[0], "requests/s", 2_500, "", None,
               f"{method}, {plain[1]:,} B each"),
        Figure(CASE, "1,440 bars of 1m from the cache, gzip", packed[0], "requests/s", None, "", None,
               f"{method}, {packed[1]:,} B each"),
    ]  # fmt: skip


async def _rate(lanes: Sequence[Connection], path: str, seconds: float, *, gzip: bool) -> tuple[float, int]:
    """Return requests a second, and bytes of a body."""
    await lanes[0].get(path, gzip=gzip)
    kept = await lanes[0].get(path, gzip=gzip)
    if "max-age" not in kept.headers.get("cache-control", ""):
        raise UserError("The service does not take the first day for closed: are its trades and bars proved?")
    began = time.perf_counter()
    counts = await asyncio.gather(*(_lane(lane, path, began + seconds, gzip=gzip) for lane in lanes))
    return sum(counts) / (time.perf_counter() - began), len(kept.body)


async def _lane(lane: Connection, path: str, until: float, *, gzip: bool) -> int:
    count = 0
    while time.perf_counter() < until:
        await lane.get(path, gzip=gzip)
        count += 1
    return count


def _in_store(reply: Reply) -> float:
    """Return the milliseconds that a service says its store took."""
    found = _STORE.search(reply.headers.get("server-timing", ""))
    if found is None:
        raise UserError("The service does not say what its store took (Server-Timing): is it of this version?")
    return float(found[1])


def _figure(name: str, times: Times, values: Sequence[float], percentile: float, target: float) -> Figure:
    value = float(np.percentile(values, percentile))
    return Figure(CASE, name, value, "ms", target, "", None, times.method(), (min(values), max(values)))
