"""The whole of `ohlcv bench api`: a service, a load generator, figures.

What belongs here: the order of things. What does not: timing (``asking``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from uvicorn.loops.auto import auto_loop_factory

from ohlcv_assets.bench.figures import Figure
from ohlcv_assets.bench.serving.asking import bars_figures, cached_figures, ranges_figures
from ohlcv_assets.bench.serving.client import connected
from ohlcv_assets.bench.serving.server import served
from ohlcv_assets.bench.serving.subject import subject_of
from ohlcv_assets.progress import Observer, Progress, nobody

STAGES = ("bars", "cache", "ranges")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured, and how long.

    Attributes
    ----------
    url
        A service that runs already; None to start one on the settings' store.
    key
        A key for it; None where reads need none.
    symbol
        What is asked for; see ``subject_of``.
    repeats
        Requests of which percentiles are taken.
    seconds
        How long the cache is asked.
    """

    url: str | None = None
    key: str | None = None
    symbol: str | None = None
    repeats: int = 500
    seconds: float = 5.0

    @property
    def each(self) -> int:
        """Requests for each cell of the table of ranges."""
        return max(1, self.repeats // 50)


def measure_api(overrides: Mapping[str, object], folder: Path, plan: Plan, observer: Observer = nobody) -> list[Figure]:
    """Measure how quickly a service answers.

    Parameters
    ----------
    overrides
        Settings by name that outrank those of the environment, for the service that is started.
    folder
        For its log.
    plan
        What is measured.

    Raises
    ------
    UserError
        The service does not start, does not answer or has nothing to ask for.
    """
    service = nullcontext(plan.url) if plan.url is not None else served(overrides, folder)
    with service as url, asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        return runner.run(_measure(url, plan, observer))


async def _measure(url: str, plan: Plan, observer: Observer) -> list[Figure]:
    figures: list[Figure] = []
    async with connected(url, 1, plan.key) as (connection,):
        subject = await subject_of(connection, plan.symbol)
        for number, stage in enumerate(STAGES):
            observer(Progress("bench", stage, number, len(STAGES), "stages"))
            if stage == "bars":
                figures += await bars_figures(connection, subject, plan.repeats)
            elif stage == "cache":
                figures += await cached_figures(url, subject, plan.seconds, plan.key)
            else:
                figures += await ranges_figures(connection, subject, plan.each)
    return figures
