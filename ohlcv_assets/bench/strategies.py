"""Every strategy compared: speed, size on disk, realism.

What belongs here: which combinations are compared and what is measured of each. What does not: printing, other
benchmarks (``cases``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ohlcv_assets.bench.figures import best_of
from ohlcv_assets.generate.generator import Generator, warm_up
from ohlcv_assets.generate.realism import measure
from ohlcv_assets.generate.strategies import ARRIVALS, PRICE_MODELS, SIZES, Strategies
from ohlcv_assets.lake.lake import Lake
from ohlcv_assets.market.plan import Plan
from ohlcv_assets.progress import Observer, Progress, nobody
from ohlcv_assets.sources.synthetic import SyntheticSource

REALISM_SYMBOLS: Final = ("KO", "V", "ADA-USD", "LINK-USD")
"""Two quiet stocks and two quiet pairs: their year is measured in seconds."""


@dataclass(frozen=True, slots=True)
class StrategyRow:
    """One combination of strategies.

    Attributes
    ----------
    strategies
        The default, or the default with one strategy changed.
    trades_per_second
        Generating one day of all symbols, kernels warm, per second of processor time of the fastest run.
    bytes_per_trade
        Of that day's file.
    gates_passed, gates_judged
        Realism gates.
    as_expected
        The default passes every gate; a control misses those it must.
    """

    strategies: Strategies
    trades_per_second: float
    bytes_per_trade: float
    gates_passed: int
    gates_judged: int
    as_expected: bool


def combinations() -> tuple[Strategies, ...]:
    """Return the default, then the default with each other strategy in its place."""
    default = Strategies()
    others = [replace(default, price_model=name) for name in PRICE_MODELS]
    others += [replace(default, arrivals=name) for name in ARRIVALS]
    others += [replace(default, sizes=name) for name in SIZES]
    return (default, *(other for other in others if other != default))


def compare_strategies(
    plan: Plan,
    seed: int,
    day: dt.date,
    folder: Path,
    *,
    symbols: Sequence[str] = REALISM_SYMBOLS,
    days: Sequence[dt.date] | None = None,
    repeats: int = 3,
    observer: Observer = nobody,
) -> list[StrategyRow]:
    """Measure every combination on one plan.

    Parameters
    ----------
    plan, seed
        What is generated.
    day
        The day whose generation is timed and whose file is weighed.
    folder
        Where day files are written, one folder a combination.
    symbols, days
        Whose realism is measured, and when; the plan's days where None.
    repeats
        Runs of which the fastest counts.
    observer
        Told after every combination.
    """
    warm_up()
    rows = []
    chosen = combinations()
    for done, strategies in enumerate(chosen, start=1):
        generator = Generator(plan, seed, strategies)
        seconds, trades = _generation(generator, day, repeats)
        size = _size(generator, plan, seed, day, folder / str(done))
        report = measure(generator, symbols, plan.days if days is None else days)
        passed, judged = report.gates_passed
        rows.append(StrategyRow(strategies, trades / seconds, size / trades, passed, judged, not report.surprises))
        observer(Progress("bench", _name(strategies), done, len(chosen), "strategies"))
    return rows


def _generation(generator: Generator, day: dt.date, repeats: int) -> tuple[float, int]:
    names = [name for name, count in generator.plan.day_counts(day).items() if count > 0]

    def generate() -> int:
        return sum(len(generator.day(name, day).ts) for name in names)

    timing, trades = best_of(repeats, generate)
    return timing.cpu, trades


def _size(generator: Generator, plan: Plan, seed: int, day: dt.date, folder: Path) -> int:
    source = SyntheticSource(generator, plan, seed)
    file, _ = Lake(folder).write(day, source.batches(day, nobody), source.fingerprint(day))
    return file.bytes


def _name(strategies: Strategies) -> str:
    return f"{strategies.price_model}, {strategies.arrivals}, {strategies.sizes}"
