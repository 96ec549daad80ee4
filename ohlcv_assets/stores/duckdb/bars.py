"""Bars in the embedded store: one table a stored resolution.

What belongs here: the bar protocol over sessions of the broker. What does not: SQL text, locking, trades.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from ohlcv_assets.bars.resolutions import BARS, Resolution, resolution_of
from ohlcv_assets.stores.duckdb import sql
from ohlcv_assets.stores.duckdb.broker import Broker
from ohlcv_assets.stores.tables import COVERAGE, check_bars, check_stored, clamp, conform, in_order, without_zone
from ohlcv_assets.units import Nanos, day_bounds


class DuckDBBarStore:
    """Bars in a DuckDB file.

    Parameters
    ----------
    broker
        The way to the file; a trade store may share it.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def write(self, resolution: Resolution, day: dt.date, bars: pa.Table) -> int:
        """Make the store hold exactly these bars on that day."""
        return self.write_many(day, {resolution.name: bars})

    def write_many(self, day: dt.date, bars: Mapping[str, pa.Table]) -> int:
        """Write several resolutions of one day in one session and one transaction."""
        checked = [(found, check_bars(found, day, bars[found.name])) for found in map(resolution_of, bars)]
        with self._broker.session() as session, session.transaction():
            for resolution, table in checked:
                session.changed(sql.delete_bars(resolution), day_bounds(day))
                with session.incoming(without_zone(table)):
                    session.changed(sql.insert_bars(resolution))
        return sum(table.num_rows for _, table in checked)

    def read(self, resolution: Resolution, start: Nanos, end: Nanos, symbols: Sequence[str] | None = None) -> pa.Table:
        """Return the stored bars with ``start <= ts < end``, sorted by (symbol, ts)."""
        check_stored(resolution)
        if not self._broker.exists or (symbols is not None and len(symbols) == 0):
            return BARS.empty_table()
        values = [clamp(start), clamp(end), *(symbols or ())]
        with self._broker.session() as session:
            found = session.table(sql.read_bars(resolution, None if symbols is None else len(symbols)), values)
        return in_order(conform(found, BARS))

    def coverage(self, resolution: Resolution) -> pa.Table:
        """Return bars and trades by day and symbol."""
        check_stored(resolution)
        if not self._broker.exists:
            return COVERAGE.empty_table()
        with self._broker.session() as session:
            found = session.table(sql.coverage(resolution))
        return found.set_column(0, "day", pc.cast(found.column("day"), pa.date32())).cast(COVERAGE)

    def delete_day(self, resolution: Resolution, day: dt.date) -> int:
        """Delete a day's bars."""
        check_stored(resolution)
        if not self._broker.exists:
            return 0
        with self._broker.session() as session, session.transaction():
            return session.changed(sql.delete_bars(resolution), day_bounds(day))
