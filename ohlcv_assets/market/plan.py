"""The plan: how many trades each symbol has on each day, adding up to exactly the total asked for.

What belongs here: the matrix of counts and what follows from it (first ids, digests, summaries). What does not: how
days are weighed (``spread``) and rounded (``apportion``), and the trades themselves (``generate``).

A plan is a pure function of universe, days, total, seed and spread.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ohlcv_assets.errors import OutsideDatasetError, PlanError
from ohlcv_assets.market.apportion import MOST_TOTAL, apportion
from ohlcv_assets.market.calendars import FIRST_YEAR, LAST_YEAR
from ohlcv_assets.market.regime import stream
from ohlcv_assets.market.spread import weights
from ohlcv_assets.market.symbols import Universe
from ohlcv_assets.units import days_between

DEFAULT_SPREAD: Final = "activity"


@dataclass(frozen=True, eq=False)
class Plan:
    """How many trades each symbol has on each day.

    Attributes
    ----------
    universe
        Symbols; their order is that of the rows.
    days
        Consecutive days; the columns.
    counts
        Shape (symbols, days), int64, read-only: trades; zero where a symbol's calendar is closed.
    """

    universe: Universe
    days: tuple[dt.date, ...]
    counts: NDArray[np.int64]

    @cached_property
    def total(self) -> int:
        """Trades over all symbols and days."""
        return int(self.counts.sum())

    def count(self, symbol: str, day: dt.date) -> int:
        """Return the trades of a symbol on a day.

        Raises
        ------
        UnknownSymbolError
            For a symbol that the universe does not have.
        OutsideDatasetError
            For a day that the plan does not cover.
        """
        return int(self.counts[self._row(symbol), self._column(day)])

    def day_counts(self, day: dt.date) -> dict[str, int]:
        """Return the trades of a day by symbol, in the universe's order, zeros included.

        Raises
        ------
        OutsideDatasetError
            For a day that the plan does not cover.
        """
        return dict(zip(self.universe.names, self.counts[:, self._column(day)].tolist(), strict=True))

    def first_id(self, symbol: str, day: dt.date) -> int:
        """Return the id of a symbol's first trade on a day; ids count from 0 per symbol over the plan's days.

        Raises
        ------
        UnknownSymbolError
            For a symbol that the universe does not have.
        OutsideDatasetError
            For a day that the plan does not cover.
        """
        return int(self._first_ids[self._row(symbol), self._column(day)])

    def digest(self, day: dt.date) -> str:
        """Return a hex SHA-256 of everything that the plan says of a day: names, counts and first ids.

        Raises
        ------
        OutsideDatasetError
            For a day that the plan does not cover.
        """
        column = self._column(day)
        row = zip(self.universe.names, self.counts[:, column], self._first_ids[:, column], strict=True)
        text = "".join(f"{name}\x1f{count}\x1f{first}\n" for name, count, first in row)
        return hashlib.sha256(f"{day.isoformat()}\n{text}".encode()).hexdigest()

    def by_month(self) -> pa.Table:
        """Return one row a month: ``month`` (``2024-01``), ``days`` (with trades), ``trades``, ``least``, ``most``.

        ``least`` and ``most`` are the trades of the quietest and the busiest day with any; zero where there is none.
        """
        day_totals = self.counts.sum(axis=0)
        months = np.array([f"{day.year:04d}-{day.month:02d}" for day in self.days])
        rows = [{"month": month, **_summary(day_totals[months == month])} for month in sorted(set(months.tolist()))]
        return pa.Table.from_pylist(rows, schema=BY_MONTH)

    def by_symbol(self) -> pa.Table:
        """Return one row a symbol: ``symbol``, ``asset_class``, ``days`` (with trades), ``trades``, ``share`` (0 to 1).

        Then ``least`` and ``most``, as in ``by_month``.
        """
        rows = []
        for symbol, counts in zip(self.universe.symbols, self.counts, strict=True):
            summary = _summary(counts)
            share = summary["trades"] / max(self.total, 1)
            rows.append({"symbol": symbol.name, "asset_class": symbol.asset_class, **summary, "share": share})
        return pa.Table.from_pylist(rows, schema=BY_SYMBOL)

    @cached_property
    def _first_ids(self) -> NDArray[np.int64]:
        return np.cumsum(self.counts, axis=1) - self.counts

    @cached_property
    def _rows(self) -> Mapping[str, int]:
        return {name: row for row, name in enumerate(self.universe.names)}

    def _row(self, symbol: str) -> int:
        return self._rows[self.universe.symbol(symbol).name]

    def _column(self, day: dt.date) -> int:
        if not self.days[0] <= day <= self.days[-1]:
            raise OutsideDatasetError(
                f"{day} is outside the dataset; its days run from {self.days[0]} to {self.days[-1]}."
            )
        return (day - self.days[0]).days


def _summary(counts: NDArray[np.int64]) -> dict[str, int]:
    """Return the days with trades, their trades, and those of the quietest and the busiest, by column name."""
    traded = counts[counts > 0]
    least, most = (int(traded.min()), int(traded.max())) if traded.size > 0 else (0, 0)
    return {"days": traded.size, "trades": int(traded.sum()), "least": least, "most": most}


_BY_MONTH_FIELDS: Final[list[pa.Field[Any]]] = [
    pa.field("month", pa.string()),
    pa.field("days", pa.int32()),
    pa.field("trades", pa.int64()),
    pa.field("least", pa.int64()),
    pa.field("most", pa.int64()),
]  # Any: a field's type parameter varies

_BY_SYMBOL_FIELDS: Final[list[pa.Field[Any]]] = [
    pa.field("symbol", pa.string()),
    pa.field("asset_class", pa.string()),
    pa.field("days", pa.int32()),
    pa.field("trades", pa.int64()),
    pa.field("share", pa.float64()),
    pa.field("least", pa.int64()),
    pa.field("most", pa.int64()),
]  # Any: as above

BY_MONTH: Final = pa.schema(_BY_MONTH_FIELDS)
"""Columns of ``Plan.by_month``."""

BY_SYMBOL: Final = pa.schema(_BY_SYMBOL_FIELDS)
"""Columns of ``Plan.by_symbol``."""


def make_plan(
    universe: Universe, days: tuple[dt.date, ...], total: int, seed: int, spread: str = DEFAULT_SPREAD
) -> Plan:
    """Plan a dataset.

    Parameters
    ----------
    universe
        Its symbols.
    days
        Consecutive days, at least one.
    total
        Trades over all symbols and days, 1 to 10^10; the plan adds up to exactly this.
    seed
        Seed of chance, 0 or more.
    spread
        A name in ``spread.SPREADS``.

    Raises
    ------
    PlanError
        For a total, seed or year out of range, days that do not follow one another, an unknown spread, or days on
        which no symbol trades.
    """
    if not 1 <= total <= MOST_TOTAL:
        raise PlanError(f"A total of {total} trades cannot be planned; choose 1 to {MOST_TOTAL}.")
    if seed < 0:
        raise PlanError(f"The seed {seed} is negative; choose 0 or more.")
    if not days or days != days_between(days[0], days[-1]):
        raise PlanError("The days of a plan must follow one another without a gap, and there must be one at least.")
    if days[0].year < FIRST_YEAR or days[-1].year > LAST_YEAR:
        raise PlanError(
            f"Days from {days[0]} to {days[-1]} cannot be planned; choose years {FIRST_YEAR} to {LAST_YEAR}."
        )
    weighed = weights(universe, days, seed, spread)
    if not weighed.any():
        raise PlanError(
            f"No symbol trades from {days[0]} to {days[-1]}: every calendar is closed; choose days with a session."
        )
    counts = apportion(total, weighed, stream(seed, "plan", "ties"))
    counts.setflags(write=False)
    return Plan(universe, days, counts)
