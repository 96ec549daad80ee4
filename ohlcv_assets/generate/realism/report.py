"""The realism report: one row per symbol and statistic, with gate and verdict.

What belongs here: measuring several symbols and judging them. What does not: how a value comes about (``series``).
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ohlcv_assets.generate.generator import Generator
from ohlcv_assets.generate.realism.gates import BOUNCE, COMMON, CONTROL, GATES, expected_failures
from ohlcv_assets.generate.realism.observe import observe
from ohlcv_assets.generate.realism.series import by_day, common_movement, facts
from ohlcv_assets.generate.strategies import Strategies
from ohlcv_assets.progress import Observer, Progress, nobody


@dataclass(frozen=True, slots=True)
class Row:
    """One statistic of one symbol.

    Attributes
    ----------
    symbol, statistic
        What was measured.
    value
        Its value; not a number where there was too little to measure.
    gate
        What is accepted, in words.
    passed
        None where the gate is judged from more sessions on than were measured.
    sessions
        How many were measured.
    """

    symbol: str
    statistic: str
    value: float
    gate: str
    passed: bool | None
    sessions: int


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured, and the verdicts.

    Attributes
    ----------
    strategies
        The laws that made the trades.
    rows
        By symbol in the order asked for, then by statistic.
    """

    strategies: Strategies
    rows: tuple[Row, ...]

    @property
    def passed(self) -> bool:
        """Whether no gate was missed."""
        return all(row.passed is not False for row in self.rows)

    @property
    def expected_failures(self) -> frozenset[str]:
        """Statistics whose gates these strategies must miss."""
        return expected_failures(self.strategies)

    @property
    def surprises(self) -> tuple[Row, ...]:
        """Rows that are not as the strategies lead to expect.

        Of the default: gates missed. Of a control: gates passed that it must miss; the others may go either way.
        """
        must_miss = self.expected_failures
        if not must_miss:
            return tuple(row for row in self.rows if row.passed is False)
        return tuple(row for row in self.rows if row.statistic in must_miss and row.passed is True)

    @property
    def gates_passed(self) -> tuple[int, int]:
        """How many gates were passed, and how many were judged."""
        judged = [row.passed for row in self.rows if row.passed is not None]
        return sum(judged), len(judged)


def measure(
    generator: Generator, symbols: Sequence[str], days: Sequence[dt.date], observer: Observer = nobody
) -> Report:
    """Generate the trades of symbols over days, and measure their stylised facts.

    Nothing is kept of the trades but their minutes, of one symbol at a time.

    Parameters
    ----------
    generator
        Makes the trades.
    symbols
        Names; correlations are taken between those of one class.
    days
        Which days, in order.
    observer
        Told after every symbol.

    Raises
    ------
    UnknownSymbolError, OutsideDatasetError
        For what the generator's plan does not have.
    """
    universe = generator.plan.universe
    chosen = [universe.symbol(name) for name in symbols]
    values: dict[str, dict[str, float]] = {}
    sessions: dict[str, int] = {}
    classes: dict[str, dict[str, dict[dt.date, NDArray[np.float32]]]] = {}
    for done, symbol in enumerate(chosen, start=1):
        seen = observe(generator, symbol, tuple(days))
        sessions[symbol.name] = len(seen.days)
        if seen.days:
            values[symbol.name] = facts(seen)
            classes.setdefault(symbol.asset_class, {})[symbol.name] = by_day(seen)
        observer(Progress("realism", symbol.name, done, len(chosen), "symbols"))
    for changes in classes.values():
        for name, value in common_movement(changes).items():
            values[name][COMMON] = value
    rows = [row for name, found in values.items() for row in _judge(name, found, sessions[name])]
    return Report(generator.strategies, tuple(rows))


def _judge(symbol: str, values: dict[str, float], sessions: int) -> list[Row]:
    rows = []
    for name, gate in GATES.items():
        value = values.get(name)
        if value is None:
            continue
        judged = sessions >= gate.sessions and not math.isnan(value)
        words = gate.text()
        if name == BOUNCE:
            words += f" ({values[CONTROL]:.3f})"
        if sessions < gate.sessions:
            words += f" (from {gate.sessions} sessions on)"
        rows.append(Row(symbol, name, value, words, gate.holds(value, values) if judged else None, sessions))
    return rows
