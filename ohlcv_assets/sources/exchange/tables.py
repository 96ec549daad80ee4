"""From blocks of text to tables of text, each row with its line number.

What belongs here: CSV, JSON lines and JSON lists, Parquet batches; rows that do not even have the right fields. What
does not: what the fields mean.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
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

LINE: Final = "line"
_PARQUET_ROWS: Final = 1 << 19


@dataclass(frozen=True)
class TextRows:
    """Rows as text: the layout's columns and ``line``; and what was wrong with rows that are not among them."""

    frame: pl.DataFrame
    misshapen: tuple[tuple[int, str], ...] = ()


def csv_rows(blocks: Iterator[Block], layout: Layout, where: str) -> Iterator[TextRows]:
    """Yield the rows of a CSV file; blank lines are passed over."""
    for block in blocks:
        data, line = block.data, block.line
        if line <= layout.skip:
            data, line = data[data.find(b"\n") + 1 :] if b"\n" in data else b"", line + 1
        if data and not data.isspace():
            yield _csv(data, line, layout, where)


def _csv(data: bytes, line: int, layout: Layout, where: str) -> TextRows:
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
    lines = data.count(b"\n") + (not data.endswith(b"\n"))
    if table.num_rows + len(wrong) != lines:
        raise ImportFileError(f"{where}: a quoted field after line {line} spans several lines; write one row a line.")
    numbers = np.delete(np.arange(line, line + lines), [at - line for at, _ in wrong])
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


def parquet_rows(file: pq.ParquetFile, layout: Layout) -> Iterator[TextRows]:
    """Yield the rows of a Parquet file as text; typed instants become ISO 8601 with nine decimals."""
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
