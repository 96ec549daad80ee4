"""The whole of `ohlcv bench api`: a service, a load generator, figures.

What belongs here: the order of things. What does not: timing (``asking``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from uvicorn.loops.auto import auto_loop_factory

from ohlcv_assets.api.keys import FILE, KeyFile
from ohlcv_assets.bench.figures import Figure
from ohlcv_assets.bench.serving.asking import bars_figures, cached_figures, ranges_figures
from ohlcv_assets.bench.serving.client import connected
from ohlcv_assets.bench.serving.live import Load, live_figures
from ohlcv_assets.bench.serving.page import page_figures
from ohlcv_assets.bench.serving.scratch import DAY, empty_dataset
from ohlcv_assets.bench.serving.server import served
from ohlcv_assets.bench.serving.subject import subject_of
from ohlcv_assets.errors import UserError
from ohlcv_assets.progress import Observer, Progress, nobody
from ohlcv_assets.settings import load_settings
from ohlcv_assets.units import HOUR, Nanos, day_start

STAGES: Final = ("bars", "cache", "ranges", "page", "live")
_NOON: Final = 12 * HOUR


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
    stages
        Which of ``STAGES``; a service that runs already is not posted to.
    load
        What is posted.
    """

    url: str | None = None
    key: str | None = None
    symbol: str | None = None
    repeats: int = 500
    seconds: float = 5.0
    stages: Sequence[str] = STAGES
    load: Load = field(default_factory=Load)

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
    unknown = [stage for stage in plan.stages if stage not in STAGES]
    if unknown:
        raise UserError(f"There is no stage {unknown[0]!r}; choose of {', '.join(STAGES)}.")
    asked = [stage for stage in STAGES if stage in plan.stages and stage != "live"]
    figures: list[Figure] = []
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        if asked:
            service = nullcontext(plan.url) if plan.url is not None else served(overrides, folder)
            with service as url:
                figures += runner.run(_ask(url, asked, plan, observer))
        if "live" in plan.stages and plan.url is None:
            observer(Progress("bench", "live", len(asked), len(asked) + 1, "stages"))
            with posting(overrides, folder) as (url, key):
                figures += runner.run(live_figures(url, key, Nanos(day_start(DAY) + _NOON), plan.load))
    return figures


@contextmanager
def posting(overrides: Mapping[str, object], folder: Path) -> Iterator[tuple[str, str]]:
    """Serve an empty dataset; give the address and a key that may write."""
    data = folder / "data"
    data.mkdir()
    with empty_dataset(load_settings(**overrides), data) as given:
        key = KeyFile(data / FILE).create("benchmark", "write")[1]
        with served({**overrides, **given}, folder) as url:
            yield url, key


async def _ask(url: str, stages: Sequence[str], plan: Plan, observer: Observer) -> list[Figure]:
    figures: list[Figure] = []
    async with connected(url, 1, plan.key) as (connection,):
        subject = await subject_of(connection, plan.symbol)
        for number, stage in enumerate(stages):
            observer(Progress("bench", stage, number, len(stages), "stages"))
            if stage == "bars":
                figures += await bars_figures(connection, subject, plan.repeats)
            elif stage == "cache":
                figures += await cached_figures(url, subject, plan.seconds, plan.key)
            elif stage == "ranges":
                figures += await ranges_figures(connection, subject, plan.each)
            else:
                figures += await page_figures(url, connection, subject, max(1, plan.each // 2))
    return figures
