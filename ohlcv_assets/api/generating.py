"""Trades made to order, taken in like any that are posted.

What belongs here: what may be ordered, planning it, and the work of a job. What does not: the laws (``generate``),
taking trades in (``posting``), the route (``native.generate``).

Prices go on from those of the dataset where its seed and laws are used: the plan has all its days, and trades on those
that were ordered. The same order gives the same trades, which are then all known, so an order can be given again after
it was cancelled or the service was stopped.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from ohlcv_assets.api.jobs import Ending, Run, Work
from ohlcv_assets.api.pool import OverloadedError
from ohlcv_assets.api.posting.columns import Columns, joined
from ohlcv_assets.api.posting.commit import Carried, Conflict, Post, Verdict
from ohlcv_assets.api.posting.placing import DUPLICATE, MOVED
from ohlcv_assets.api.problems import ProblemError
from ohlcv_assets.market.grid import values_of
from ohlcv_assets.market.plan import Plan, make_plan
from ohlcv_assets.market.symbols import Universe
from ohlcv_assets.pipeline.heal import CANCELLED
from ohlcv_assets.progress import Progress
from ohlcv_assets.project import Project

if TYPE_CHECKING:
    from ohlcv_assets.generate.generator import Generator

BATCH: Final = 10_000
"""Trades that are posted at a time."""

PATIENCE: Final = 600
"""How often a batch is offered while others wait to be stored."""

_BREATH: Final = 0.1
"""Seconds between two of these."""

Submit = Callable[[Post], Verdict]
"""Posts trades and waits for what becomes of them."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be generated.

    Attributes
    ----------
    count
        Trades over all days and symbols.
    days
        Consecutive, none of them closed.
    symbols
        Names of the dataset's.
    price_model, arrivals, sizes
        Names of laws, see ``generate.strategies``.
    seed
        Of chance.
    """

    count: int
    days: tuple[dt.date, ...]
    symbols: tuple[str, ...]
    price_model: str
    arrivals: str
    sizes: str
    seed: int


@dataclass(slots=True)
class _Made:
    """What was made so far."""

    offered: int = 0
    stored: int = 0
    moved: int = 0
    duplicates: int = 0
    batches: int = 0
    by_day: dict[str, int] = field(default_factory=dict)

    def take(self, carried: Carried, day: dt.date) -> None:
        """Count what became of a batch."""
        outcome, fresh = carried.placed.outcome, int(carried.placed.fresh.sum())
        self.batches += 1
        self.offered += len(outcome)
        self.stored += fresh
        self.moved += int((outcome == MOVED).sum())
        self.duplicates += int((outcome == DUPLICATE).sum())
        self.by_day[str(day)] = self.by_day.get(str(day), 0) + fresh


def open_days(project: Project, first: dt.date | None, last: dt.date) -> tuple[dt.date, ...]:
    """Return the days of a range; where nothing is said, those after the last closed one. Asks the store.

    Raises
    ------
    ProblemError
        One of the days is closed, or no day is open.
    """
    dataset = project.dataset
    with project.store_session():
        closed = project.trade_store.day_records().keys()
    if first is None:
        after = max((at for at, day in enumerate(dataset.days, 1) if day in closed), default=0)
        days = tuple(day for day in dataset.days[after:] if day <= last)
        if not days:
            raise ProblemError("closed", f"No day up to {last} is left after the closed ones; name days that are open.")
        return days
    days = tuple(day for day in dataset.days if first <= day <= last)
    shut = next((day for day in days if day in closed), None)
    if shut is not None:
        raise ProblemError("closed", f"{shut} is closed, its trades being proved or loaded; order other days.")
    return days


def plan_of(project: Project, order: Order) -> Plan:
    """Return how many trades each symbol gets on each day of the dataset.

    Raises
    ------
    PlanError
        None of the symbols trades on any of the days.
    """
    dataset = project.dataset
    names, first = dataset.universe.names, dataset.days.index(order.days[0])
    rows = sorted(names.index(name) for name in order.symbols)
    part = Universe(tuple(dataset.universe.symbols[row] for row in rows), "")
    ordered = make_plan(part, order.days, order.count, order.seed, project.settings.spread)
    counts = np.zeros((len(names), len(dataset.days)), np.int64)
    counts[rows, first : first + len(order.days)] = ordered.counts
    return Plan(dataset.universe, dataset.days, counts)


def generating(plan: Plan, order: Order, by: str, submit: Submit) -> Work:
    """Return the work of making trades and posting them, batch by batch in the order of time.

    Parameters
    ----------
    plan
        How many of each.
    order
        What was asked for.
    by
        Who posts them.
    submit
        Posts a batch.
    """

    def work(run: Run) -> Ending:
        # Calendars and compiled kernels take seconds to import, and most services never generate.
        from ohlcv_assets.generate.generator import Generator  # noqa: PLC0415 -- see above
        from ohlcv_assets.generate.strategies import Strategies  # noqa: PLC0415 -- see above

        laws = Strategies(order.price_model, order.arrivals, order.sizes)
        made, began = _Made(), time.monotonic()
        for day, batch in _batches(Generator(plan, order.seed, laws), order.days):
            verdict = None if run.is_cancelled() else _offered(Post(by, batch), submit, run)
            if verdict is None:
                return _ending(made, order, began, CANCELLED)
            if isinstance(verdict, Conflict):
                return _ending(made, order, began, f"{day} cannot take more trades: it was closed, or is full.")
            made.take(verdict, day)
            run.tell(_progress(made, order, began, day))
        return _ending(made, order, began, "")

    return work


def _batches(generator: Generator, days: Sequence[dt.date]) -> Iterator[tuple[dt.date, Columns]]:
    """Yield the trades of each day, in the order of time."""
    for day in days:
        whole = joined([_columns(generator, row, day) for row in range(len(generator.plan.universe.symbols))])
        whole = whole.take(np.argsort(whole.ts, kind="stable"))
        for start in range(0, len(whole), BATCH):
            yield day, whole.take(slice(start, start + BATCH))


def _columns(generator: Generator, row: int, day: dt.date) -> Columns:
    """Return a symbol's trades of a day."""
    symbol = generator.plan.universe.symbols[row]
    found = generator.day(symbol.name, day)
    return Columns(
        np.full(len(found.ts), row, np.int32),
        found.ts,
        values_of(found.ticks, symbol.ticks_per_unit),
        values_of(found.lots, symbol.lots_per_unit),
        found.side,
    )


def _offered(post: Post, submit: Submit, run: Run) -> Verdict | None:
    """Return what became of a batch; None where the job was cancelled while others waited to be stored."""
    for _ in range(PATIENCE):
        try:
            return submit(post)
        except OverloadedError:
            run.sleep(_BREATH)
            if run.is_cancelled():
                return None
    raise OverloadedError(f"Others had so many trades stored that {PATIENCE} times there was no room for more.")


def _progress(made: _Made, order: Order, began: float, day: dt.date) -> Progress:
    seconds = time.monotonic() - began
    detail: dict[str, float | int | str] = {
        "stored": made.stored,
        "batches": made.batches,
        "trades_per_second": made.offered / seconds if seconds > 0 else 0.0,
        "seconds_left": seconds / made.offered * (order.count - made.offered),
    }
    return Progress("generate", str(day), made.offered, order.count, "trades", detail)


def _ending(made: _Made, order: Order, began: float, error: str) -> Ending:
    report: dict[str, object] = {
        "trades": made.stored,
        "ordered": order.count,
        "moved": made.moved,
        "duplicates": made.duplicates,
        "batches": made.batches,
        "by_day": made.by_day,
        "seconds": time.monotonic() - began,
    }
    if not error:
        return Ending("succeeded", report)
    return Ending("cancelled" if error == CANCELLED else "failed", report, error)
