"""Writing a day file: checked, encoded, hashed, and there whole or not at all.

What belongs here: row groups, encodings, the order of the trades. What does not: whether to write (``lake``), names
and flushing (``atomic``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ohlcv_assets.errors import LakeError
from ohlcv_assets.lake.atomic import replacing
from ohlcv_assets.lake.dayfile import DayFile, footer
from ohlcv_assets.lake.hashing import ContentHash
from ohlcv_assets.lake.machine import machine_errors, require_room
from ohlcv_assets.market.schema import SYMBOL_TYPE, TRADES
from ohlcv_assets.progress import Observer, Progress, nobody
from ohlcv_assets.units import Nanos, day_bounds

ROW_GROUP_ROWS: Final = 1 << 18
"""Most trades of a row group: bounds the memory of a writer and of a reader by batches to about 10 MB a group."""

BYTES_PER_TRADE: Final = 9
"""What a trade takes on disk at most, for saying how much room a day needs before it is written."""


def write_day_file(
    path: Path,
    day: dt.date,
    batches: Iterator[pa.RecordBatch],
    fingerprint: Mapping[str, str],
    *,
    expected: int | None = None,
    observer: Observer = nobody,
) -> DayFile:
    """Write a day file atomically and return what its footer says.

    Parameters
    ----------
    path
        Where the file shall be; its folder is made where it is missing.
    day
        The UTC day that every trade must fall on.
    batches
        ``market.schema.TRADES`` sorted by (symbol, ts), in pieces of any size.
    fingerprint
        What the content is made from.
    expected
        Trades to come, where known: for the progress and the room needed.
    observer
        Told after every row group.

    Raises
    ------
    LakeError
        The batches are not trades of that day in that order.
    MachineError
        The machine does not let us: no room, not writable.
    """
    doing = f"write the day file of {day}"
    needed = None if expected is None else expected * BYTES_PER_TRADE
    with machine_errors(doing, path, needed):
        if needed is not None:
            require_room(doing, path.parent, needed)
        with replacing(path) as temporary:
            content, groups = _write(temporary, day, batches, fingerprint, expected, observer)
        size = path.stat().st_size
    rows = sum(content.counts.values())
    return DayFile(day, path, rows, content.counts, size, content.hexdigest(), dict(fingerprint), groups)


def _write(
    path: Path,
    day: dt.date,
    batches: Iterator[pa.RecordBatch],
    fingerprint: Mapping[str, str],
    expected: int | None,
    observer: Observer,
) -> tuple[ContentHash, tuple[str, ...]]:
    content = ContentHash()
    groups: list[str] = []
    done = 0
    # Hashing and encoding both leave the interpreter lock: on an idle second core the hash costs no time.
    with pa.OSFile(str(path), "wb") as sink, ThreadPoolExecutor(1) as hasher:
        writer = _parquet_writer(sink)
        try:
            for symbol, group in _row_groups(day, batches):
                hashed = hasher.submit(content.update, symbol, group)
                writer.write_table(group, row_group_size=ROW_GROUP_ROWS)
                hashed.result()
                groups.append(symbol)
                done += group.num_rows
                observer(Progress("write", day.isoformat(), done, expected, "trades"))
            writer.add_key_value_metadata(footer(day, fingerprint, content.hexdigest(), content.counts, tuple(groups)))
            writer.close()
        except BaseException:
            with suppress(Exception):  # the first error is the one to tell
                writer.close()
            raise
    return content, tuple(groups)


def _parquet_writer(sink: pa.NativeFile) -> pq.ParquetWriter:
    """Return a writer with the encodings that measured smallest at this speed (docs/file-formats.md)."""
    return pq.ParquetWriter(
        sink,
        TRADES,
        compression="zstd",
        compression_level=3,
        use_dictionary=["symbol", "price", "amount", "side"],  # type: ignore[arg-type]  # the stubs know bool only
        column_encoding={"ts": "DELTA_BINARY_PACKED", "trade_id": "DELTA_BINARY_PACKED"},
        dictionary_pagesize_limit=4 << 20,
        write_statistics=["symbol", "ts"],
        write_page_checksum=True,
    )


def _row_groups(day: dt.date, batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[str, pa.Table]]:
    """Cut checked trades into row groups of one symbol each, the same whatever the size of the batches."""
    pending: list[pa.RecordBatch] = []
    rows = 0
    current: str | None = None
    for symbol, piece in _pieces(day, batches):
        if current is not None and symbol != current:
            yield current, _group(current, pending)
            pending, rows = [], 0
        current = symbol
        pending.append(piece)
        rows += piece.num_rows
        while rows > ROW_GROUP_ROWS:
            whole = pa.Table.from_batches(pending)
            yield symbol, _group(symbol, whole.slice(0, ROW_GROUP_ROWS).to_batches())
            pending = whole.slice(ROW_GROUP_ROWS).to_batches()
            rows -= ROW_GROUP_ROWS
    if current is not None:
        yield current, _group(current, pending)


def _group(symbol: str, pieces: list[pa.RecordBatch]) -> pa.Table:
    """Return a row group in one chunk, so that the file's bytes do not depend on the batches either."""
    table = pa.Table.from_batches(pieces).drop_columns(["symbol"]).combine_chunks()
    column = pa.DictionaryArray.from_arrays(np.zeros(table.num_rows, np.int32), pa.array([symbol])).cast(SYMBOL_TYPE)
    return table.add_column(0, TRADES.field("symbol"), column)


def _pieces(day: dt.date, batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Split batches by symbol and refuse trades that a day file must not hold."""
    last_symbol: str | None = None
    last_ts = -1
    for batch in batches:
        _check_columns(day, batch)
        for symbol, piece in runs(batch):
            if last_symbol is not None and symbol < last_symbol:
                raise LakeError(f"The trades of {day} are not sorted: {symbol!r} came after {last_symbol!r}.")
            if symbol != last_symbol:
                last_symbol, last_ts = symbol, -1
            last_ts = _check_times(day, symbol, piece, last_ts)
            yield symbol, piece


def runs(batch: pa.RecordBatch) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Yield the pieces of a batch that are of one symbol each, in order."""
    column = cast("pa.DictionaryArray[Any, Any]", batch.column("symbol"))  # Any: the stubs cannot tell a column's type
    codes = column.indices.to_numpy()
    edges = np.flatnonzero(codes[1:] != codes[:-1]) + 1
    for start, stop in pairwise((0, *edges.tolist(), len(codes))):
        if stop > start:
            yield column.dictionary[int(codes[start])].as_py(), batch.slice(start, stop - start)


def _check_columns(day: dt.date, batch: pa.RecordBatch) -> None:
    if not batch.schema.equals(TRADES):
        raise LakeError(f"The trades of {day} have other columns than a day file: {batch.schema.names}.")
    if any(column.null_count for column in batch.columns):
        raise LakeError(f"The trades of {day} have missing values.")


def _check_times(day: dt.date, symbol: str, piece: pa.RecordBatch, last: int) -> int:
    """Return the last instant of a piece whose instants strictly increase, after ``last`` and inside the day."""
    ts = piece.column("ts").cast(pa.int64()).to_numpy()
    start, end = day_bounds(day)
    first, final = Nanos(int(ts[0])), Nanos(int(ts[-1]))
    if first < start or final >= end:
        raise LakeError(f"The trades of {day} hold some of {symbol!r} outside that day.")
    if first <= last or not bool(np.all(ts[1:] > ts[:-1])):
        raise LakeError(f"The trades of {symbol!r} on {day} do not strictly increase in time.")
    return final
