"""Which settings load fastest on a given server: lines a request, connections, compression, memory.

What belongs here: which settings are tried, in what order, and whether the best of them is worth a change. What does
not: loading (``influx_load``), the comparison with other tools (``influx``).

Coarse first (every batch size with every number of connections), then finer around the best: batch size, connections,
compression and the memory ceiling, one after the other, each tried once. What was fastest meets the settings in force
in rounds that are repeated side by side. Only a setting that wins every one of those rounds is recommended.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ohlcv_assets.bench.influx import Bench, opened
from ohlcv_assets.bench.influx_load import write_day
from ohlcv_assets.bench.influx_peers import Cost
from ohlcv_assets.progress import Observer, Progress, nobody
from ohlcv_assets.settings import Settings
from ohlcv_assets.stores.influxdb.writer import LoadPlan, Writer

BATCHES: Final = (5_000, 20_000, 50_000)
CONNECTIONS: Final = (2, 4, 8)
FINER: Final = (0.5, 0.7, 1.4)
LEAST_BATCH: Final = 100
MEMORIES: Final = (16_000_000, 64_000_000)
FINALISTS: Final = 3
MOST_ROUNDS: Final = 7
LEAST_ROUNDS: Final = 3

Trial = Callable[[LoadPlan], Cost]
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class SweepRow:
    """Settings that were tried.

    Attributes
    ----------
    plan
        The settings.
    rates
        Trades a second of each load, in order.
    client_per_million, server_per_million
        Processor seconds a million trades, medians; the second None where the server does not run on this machine.
    rounds
        Trades a second in the rounds that decide; empty for those that were out before.
    """

    plan: LoadPlan
    rates: tuple[float, ...]
    client_per_million: float
    server_per_million: float | None
    rounds: tuple[float, ...] = ()

    @property
    def rate(self) -> float:
        """Trades a second: the median of the rounds that decide, of all loads where there were none."""
        return statistics.median(self.rounds or self.rates)


@dataclass(frozen=True, slots=True)
class Sweep:
    """What was tried and what to make of it.

    Attributes
    ----------
    rows
        Fastest first, those that came into the rounds that decide before all others.
    in_force
        The settings that were in force.
    best
        The settings to keep: those in force where nothing beat them every time.
    """

    rows: tuple[SweepRow, ...]
    in_force: LoadPlan
    best: LoadPlan

    @property
    def within_noise(self) -> bool:
        """Whether nothing was reliably faster than the settings in force."""
        return self.best == self.in_force

    def lines(self) -> list[str]:
        """Return the settings to keep as lines for ``.env``."""
        return settings_of(self.best)

    def verdict(self) -> str:
        """Return in a sentence what to do."""
        if self.within_noise:
            return "Nothing was faster than the settings in force in every round: the differences are noise, keep them."
        return f"Faster than the settings in force in every round, by {self._gain():.0%} in the median."

    def _gain(self) -> float:
        rates = {row.plan: row.rate for row in self.rows}
        return rates[self.best] / rates[self.in_force] - 1


def settings_of(plan: LoadPlan) -> list[str]:
    """Return a plan as lines for ``.env``."""
    return [
        f"OHLCV_INFLUX_BATCH_LINES={plan.batch_lines}",
        f"OHLCV_INFLUX_CONNECTIONS={plan.connections}",
        f"OHLCV_INFLUX_COMPRESSION={plan.compression}",
        f"OHLCV_INFLUX_MEMORY={plan.memory // 1_000_000}MB",
    ]


def sweep_influx(
    settings: Settings,
    folder: Path,
    *,
    trades: int | None = None,
    budget: float = 300.0,
    observer: Observer = nobody,
) -> Sweep:
    """Try settings on the server that settings name.

    Parameters
    ----------
    settings, folder, trades
        See ``measure_influx``.
    budget
        Seconds after which nothing more is tried; three rounds that decide are always run.
    observer
        Told of every load.
    """
    with opened(settings, folder, trades=trades, repeats=1) as bench:
        return search(bench.plan, lambda plan: _load(bench, plan), budget, observer)


def _load(bench: Bench, plan: LoadPlan) -> Cost:
    with closing(Writer(bench.connection, plan)) as writer:
        return bench.into_fresh(lambda bucket: write_day(writer, bucket, bench.day, plan.batch_lines))


def search(
    in_force: LoadPlan, trial: Trial, budget: float, observer: Observer = nobody, clock: Clock = time.monotonic
) -> Sweep:
    """Find the fastest settings; see the module's text.

    Parameters
    ----------
    in_force
        The settings to beat.
    trial
        Loads with given settings.
    budget
        Seconds.
    observer
        Told of every load.
    clock
        Seconds that only grow.
    """
    found = _Tried(trial, observer)
    trial(in_force)  # not counted: the first load of all is slow
    until = clock() + budget
    middle = clock() + 0.6 * budget
    found.each([in_force, *_coarse(in_force)], lambda: clock() < middle)
    found.each(_sizes(found.fastest()), lambda: clock() < middle)
    found.each(_counts(found.fastest()), lambda: clock() < middle)
    found.each(_others(found.fastest()), lambda: clock() < middle)
    finalists = list(dict.fromkeys([in_force, *found.ranked()[:FINALISTS]]))
    rounds = found.rounds(finalists, lambda number: number < LEAST_ROUNDS or clock() < until)
    best = max(finalists, key=lambda plan: statistics.median(rounds[plan]))
    wins = all(ours > old for ours, old in zip(rounds[best], rounds[in_force], strict=True))
    rows = sorted(found.rows(rounds), key=lambda row: (not row.rounds, -row.rate))
    return Sweep(tuple(rows), in_force, best if wins else in_force)


def _coarse(plan: LoadPlan) -> list[LoadPlan]:
    return [replace(plan, batch_lines=batch, connections=many) for batch in BATCHES for many in CONNECTIONS]


def _sizes(plan: LoadPlan) -> list[LoadPlan]:
    sizes = [max(LEAST_BATCH, int(plan.batch_lines * part)) // 100 * 100 for part in FINER]
    return [replace(plan, batch_lines=size) for size in sizes]


def _counts(plan: LoadPlan) -> list[LoadPlan]:
    return [replace(plan, connections=max(1, plan.connections + step)) for step in (-1, 1)]


def _others(plan: LoadPlan) -> list[LoadPlan]:
    return [replace(plan, compression="gzip"), *(replace(plan, memory=memory) for memory in MEMORIES)]


class _Tried:
    """What was tried so far."""

    def __init__(self, trial: Trial, observer: Observer) -> None:
        self._trial = trial
        self._observer = observer
        self._costs: dict[LoadPlan, list[Cost]] = {}
        self._loads = 0

    def each(self, plans: Iterable[LoadPlan], in_time: Callable[[], bool]) -> None:
        """Try each of them once while there is time; the first of all is always tried."""
        for plan in plans:
            if plan not in self._costs and (not self._costs or in_time()):
                self._try(plan)

    def rounds(self, plans: Sequence[LoadPlan], goes_on: Callable[[int], bool]) -> dict[LoadPlan, list[float]]:
        """Try all of them side by side, round after round, and return their rates."""
        rates: dict[LoadPlan, list[float]] = {plan: [] for plan in plans}
        number = 0
        while number < MOST_ROUNDS and goes_on(number):
            for plan in plans if number % 2 == 0 else reversed(plans):
                rates[plan].append(self._try(plan))
            number += 1
        return rates

    def ranked(self) -> list[LoadPlan]:
        """Return the settings by their best rate, fastest first."""
        return sorted(self._costs, key=lambda plan: -max(cost.rate for cost in self._costs[plan]))

    def fastest(self) -> LoadPlan:
        """Return the settings that were fastest."""
        return self.ranked()[0]

    def rows(self, rounds: dict[LoadPlan, list[float]]) -> list[SweepRow]:
        """Return what was found of each."""
        return [self._row(plan, tuple(rounds.get(plan, ()))) for plan in self._costs]

    def _row(self, plan: LoadPlan, rounds: tuple[float, ...]) -> SweepRow:
        costs = self._costs[plan]
        served = [cost.server_per_million for cost in costs if cost.server_per_million is not None]
        client = statistics.median(cost.client_per_million for cost in costs)
        rates = tuple(cost.rate for cost in costs)
        return SweepRow(plan, rates, client, statistics.median(served) if served else None, rounds)

    def _try(self, plan: LoadPlan) -> float:
        cost = self._trial(plan)
        self._costs.setdefault(plan, []).append(cost)
        self._loads += 1
        subject = f"{plan.batch_lines:,} x {plan.connections} {plan.compression}"
        self._observer(Progress("sweep", subject, self._loads, self._loads, "loads"))
        return cost.rate
