"""From blocks of text to tables of text, each row with its line number.

What belongs here: CSV, JSON lines and JSON lists, Parquet batches; rows that do not even have the right fields. What
does not: what the fields mean.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import IO, Final, Literal

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ohlcv_assets.errors import ImportFileError
from ohlcv_assets.sources.exchange.canonical import Layout
from ohlcv_assets.sources.exchange.jsonlist import Objects, object_blocks
from ohlcv_assets.sources.exchange.opening import Block
from ohlcv_assets.sources.exchange.quick import typed_rows

LINE: Final = "line"
_PARQUET_ROWS: Final = 1 << 19


@dataclass(frozen=True)
class TextRows:
    """Rows as text: the layout's columns and ``line``; and what was wrong with rows that are not among them.

    Where numbers were parsed already, ``again`` reads the same rows as text throughout, to tell what is wrong with one.
    """

    frame: pl.DataFrame
    misshapen: tuple[tuple[int, str], ...] = ()
    again: Callable[[], TextRows] | None = None


def csv_rows(
    blocks: Iterator[Block], layout: Layout, where: str, numbers: Mapping[str, pl.DataType]
) -> Iterator[TextRows]:
    """Yield the rows of a CSV file; blank lines are passed over; columns named in ``numbers`` come as such."""
    for given in blocks:
        block = given
        if block.line <= layout.skip:
            block = Block(block.data.partition(b"\n")[2], block.line + 1, block.lines - 1)
        if block.data and not block.data.isspace():
            again = partial(_csv, block, layout, where)
            frame = typed_rows(block, layout, numbers)
            yield again() if frame is None else TextRows(_numbered(frame, block), again=again)


def _numbered(frame: pl.DataFrame, block: Block) -> pl.DataFrame:
    return frame.with_columns(pl.Series(LINE, np.arange(block.line, block.line + block.lines)))


def _csv(block: Block, layout: Layout, where: str) -> TextRows:
    """Read CSV with care: every row that has not the right fields is noted."""
    data, line = block.data, block.line
    wrong: list[tuple[int, str]] = []
    unclosed: list[int] = []

    def note(row: pc.InvalidRow) -> Literal["skip"]:
        at = line + (row.number or 1) - 1
        if "\n" in row.text:
            unclosed.append(at)
        wrong.append((at, f"{row.actual_columns} fields instead of {row.expected_columns}"))
        return "skip"

    names = list(layout.columns)
    table = pc.read_csv(
        io.BytesIO(_utf8(data)),
        read_options=pc.ReadOptions(use_threads=False, column_names=names, block_size=len(data) + 1),
        parse_options=pc.ParseOptions(delimiter=layout.separator, invalid_row_handler=note, ignore_empty_lines=False),
        convert_options=pc.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
    )
    if unclosed:
        raise ImportFileError(f"{where}, line {unclosed[0]}: a quotation mark is not closed.")
    if table.num_rows + len(wrong) != block.lines:
        raise ImportFileError(f"{where}: a quoted field after line {line} spans several lines; write one row a line.")
    numbers = np.delete(np.arange(line, line + block.lines), [at - line for at, _ in wrong])
    frame = _frame(table).with_columns(pl.Series(LINE, numbers, pl.Int64))
    if data.startswith((b"\n", b"\r\n")) or b"\n\n" in data or b"\n\r\n" in data:
        frame = frame.filter(pl.any_horizontal(pl.col(name) != "" for name in names))
    return TextRows(frame, tuple(wrong))


def _utf8(data: bytes) -> bytes:
    """Return text that is UTF-8 whatever it was, so that a stray byte spoils its own field only."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace").encode()
    return data


def json_rows(blocks: Iterator[Block], layout: Layout) -> Iterator[TextRows]:
    """Yield the objects of a file of JSON lines; blank lines are passed over."""
    for block in blocks:
        data = np.frombuffer(block.data, np.uint8)
        ends = np.flatnonzero(data == ord("\n")) + 1
        starts = np.concatenate(([0], ends[ends < len(data)]))
        yield _json(Objects(block.data, starts, np.arange(block.line, block.line + len(starts))), layout)


def json_list_rows(stream: IO[bytes], layout: Layout, where: str) -> Iterator[TextRows]:
    """Yield the objects of a file that is one JSON list."""
    for objects in object_blocks(stream, where):
        yield _json(objects, layout)


def _json(objects: Objects, layout: Layout) -> TextRows:
    column = pl.Series("text", objects.texts()).str.strip_chars(", \r\n\t")
    frame = pl.DataFrame({"text": column, LINE: pl.Series(objects.lines, dtype=pl.Int64)}).filter(pl.col("text") != "")
    fields = [pl.col("text").str.json_path_match(f"$['{name}']").alias(name) for name in layout.columns]
    return TextRows(frame.select(*fields, LINE))


def parquet_rows(file: pq.ParquetFile, layout: Layout, where: str) -> Iterator[TextRows]:
    """Yield the rows of a Parquet file as text; typed instants become ISO 8601 with nine decimals.

    Raises
    ------
    ImportFileError
        Instants are floating-point numbers, which are not exact.
    """
    if pa.types.is_floating(file.schema_arrow.field(layout.ts.column).type):
        raise ImportFileError(
            f"{where} keeps instants in {layout.ts.column!r} as floating-point numbers, which are not exact: store "
            "them as whole numbers, decimal text or timestamps."
        )
    row = 1
    for batch in file.iter_batches(batch_size=_PARQUET_ROWS):
        frame = _frame(pa.Table.from_batches([batch]))
        texts = [_as_text(name, frame.schema[name]) for name in layout.columns]
        numbers: NDArray[np.int64] = np.arange(row, row + batch.num_rows)
        yield TextRows(frame.select(texts).with_columns(pl.Series(LINE, numbers, pl.Int64)))
        row += batch.num_rows


def _as_text(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if isinstance(dtype, pl.Datetime):
        utc = column if dtype.time_zone is None else column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return utc.cast(pl.Datetime("ns")).dt.to_string("%Y-%m-%dT%H:%M:%S%.9f").alias(name)
    return column.cast(pl.String, strict=False)


def _frame(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    return frame if isinstance(frame, pl.DataFrame) else frame.to_frame()
