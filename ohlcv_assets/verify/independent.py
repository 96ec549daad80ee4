"""Bars by other code than the roll-up's: SQL in DuckDB, straight from the Parquet file.

What belongs here: SQL that makes bars. What does not: anything that the roll-up (``bars``) shares. A check that
compared code with itself could not fail: bars of the roll-up are compared with these, bars that were stored as they
come from here with those of the roll-up. 1m is made of the trades, everything higher of these 1m bars by SQL, whatever
chain the roll-up took; where it must be shown that no chain matters, everything of the trades (``direct``).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from ohlcv_assets.bars.resolutions import BARS, RESOLUTIONS, STORED_RESOLUTIONS, Resolution
from ohlcv_assets.units import DAY

_Limit = str | bool | int | float | list[str]

_MINUTES: Final = RESOLUTIONS["1m"]

_kept: Final = threading.local()
"""Databases by thread: views of one thread are none of another's."""

_FROM_TRADES: Final = """
    SELECT symbol, {label} AS ts,
        arg_min(price, ns) AS open, max(price) AS high, min(price) AS low, arg_max(price, ns) AS close,
        sum(amount) AS volume, sum(price * amount) AS turnover, count(*) AS trades, sum(side)::BIGINT AS imbalance
    FROM trades GROUP BY symbol, {label} ORDER BY symbol, {label}
"""

_FROM_MINUTES: Final = """
    SELECT symbol, {label} AS ts,
        arg_min(m.open, m.ts) AS open, max(m.high) AS high, min(m.low) AS low, arg_max(m.close, m.ts) AS close,
        sum(m.volume) AS volume, sum(m.turnover) AS turnover, sum(m.trades)::BIGINT AS trades,
        sum(m.imbalance)::BIGINT AS imbalance
    FROM minutes m GROUP BY symbol, {label} ORDER BY symbol, {label}
"""


def independent_bars(day_file: Path | pa.Table, resolution: Resolution) -> pa.Table:
    """Make the bars of one resolution by SQL: ``independent_day`` for one."""
    return independent_day(day_file, (resolution,))[resolution.name]


def independent_day(
    day_file: Path | pa.Table,
    resolutions: Iterable[Resolution] = STORED_RESOLUTIONS,
    *,
    threads: int = 1,
    memory: str = "512MB",
    direct: bool = False,
) -> dict[str, pa.Table]:
    """Make bars by SQL, reading the trades once for all resolutions unless they are to be made directly.

    Parameters
    ----------
    day_file
        A Parquet file or a table of ``market.schema.TRADES`` or ``STORED``.
    resolutions
        Which.
    threads, memory
        What the in-memory database may use; more than that is an error, nothing spills to disk.
    direct
        Make every resolution of the trades themselves, which costs as much as 1m for each.

    Returns
    -------
    dict[str, pa.Table]
        ``BARS`` sorted by (symbol, ts), by resolution name.
    """
    limits: dict[str, _Limit] = {
        "threads": threads,
        "memory_limit": memory,
        "temp_directory": "",
    }
    with _database(limits).cursor() as connection:
        if isinstance(day_file, Path):
            relation = connection.read_parquet(str(day_file)).project("*, epoch_ns(ts) AS ns")
        else:
            at = day_file.schema.get_field_index("ts")
            relation = connection.from_arrow(day_file.set_column(at, "ns", day_file["ts"].cast(pa.int64())))
        relation.create_view("trades")
        try:
            if not direct:
                connection.execute(f"CREATE TEMP TABLE minutes AS {_FROM_TRADES.format(label=_label('ns', _MINUTES))}")
            text, instant = (_FROM_TRADES, "ns") if direct else (_FROM_MINUTES, "m.ts")
            return {
                resolution.name: _as_bars(
                    connection.sql(text.format(label=_label(instant, resolution))).to_arrow_table()
                )
                for resolution in resolutions
            }
        finally:
            # Unlike the cursor's own table, it would stay, and the trades with it.
            connection.execute("DROP VIEW trades")


def _database(limits: dict[str, _Limit]) -> duckdb.DuckDBPyConnection:
    """Return this thread's empty database with such limits; to open one takes as long as some of the bars."""
    kept: dict[str, duckdb.DuckDBPyConnection] = _kept.__dict__
    key = repr(limits)
    if key not in kept:
        kept[key] = duckdb.connect(":memory:", config=dict(limits))
    return kept[key]


def _label(instant: str, resolution: Resolution) -> str:
    """Return SQL for the open time, in nanoseconds, of the bar that an instant lies in."""
    if resolution.duration is None or resolution.duration > DAY:
        unit = "month" if resolution.duration is None else "week"
        return f"epoch_ns(date_trunc('{unit}', make_timestamp({instant} // 1000)))"
    # The remainder of an instant before 1970 is negative.
    duration = resolution.duration
    return f"{instant} - ({instant} % {duration} + {duration}) % {duration}"


def _as_bars(table: pa.Table) -> pa.Table:
    columns = [table[name] for name in BARS.names]
    columns[0] = columns[0].dictionary_encode()
    columns[1] = columns[1].cast(BARS.field("ts").type)
    return pa.table(columns, names=BARS.names).cast(BARS)
