"""Rows as table, CSV, JSON or Parquet: streamed, so that memory holds one piece.

What belongs here: writing pieces of Arrow tables in one format to one place. What does not: where the pieces come from.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, cast

import pyarrow as pa
import pyarrow.compute as pc

from ohlcv_assets.cli.output import plain, remark, show_fitting, table
from ohlcv_assets.errors import UserError
from ohlcv_assets.logs import is_terminal

if TYPE_CHECKING:
    from collections.abc import Callable

_SPARE: Final = ("imbalance", "turnover", "trades", "symbol", "volume")
"""Columns of bars that a narrow terminal can do without."""

TABLE_ROWS: Final = 50
"""Rows that a table shows where no limit is given."""


Sink = IO[bytes] | io.RawIOBase
"""Where bytes go."""


class Format(StrEnum):
    """Formats of rows."""

    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"


@dataclass(frozen=True, slots=True)
class Rows:
    """Pieces of one table, and what else a document says of them.

    Attributes
    ----------
    name
        What a row is: ``"trades"`` or ``"bars"``; the key of the rows in a JSON document.
    schema
        Schema of every piece.
    pieces
        The pieces in order.
    about
        Further members of a JSON document: symbol, range.
    """

    name: str
    schema: pa.Schema
    pieces: Iterator[pa.Table]
    about: Mapping[str, object]


def export(rows: Rows, form: Format, output: Path | None, limit: int | None) -> int:
    """Write rows and return how many.

    Parameters
    ----------
    rows
        What to write.
    form
        In which format.
    output
        File to write, replaced whole when everything is written; standard output where None.
    limit
        Stop after this many rows.

    Raises
    ------
    UserError
        Parquet was asked for on a terminal.
    """
    if form is Format.parquet and output is None and is_terminal(sys.stdout):
        raise UserError("Parquet is no text for a terminal; give --output FILE or send it through a pipe.")
    if form is Format.table and limit is None:
        limit = TABLE_ROWS
    writers: dict[Format, Callable[[Rows, Sink, _Cut], None]] = {
        Format.csv: _csv,
        Format.json: _json,
        Format.parquet: _parquet,
        Format.table: _table,
    }
    # The first piece is fetched before anything is written: what fails at once must leave no half document.
    first = list(itertools.islice(rows.pieces, 1))
    cut = _Cut(itertools.chain(first, rows.pieces), limit)
    with _destination(output) as sink:
        writers[form](rows, sink, cut)
    if cut.truncated and form is not Format.json:
        remark(f"Only the first {cut.written:,} {rows.name} are shown; --limit changes that.")
    return cut.written


class _Cut:
    """Pieces up to a limit of rows; afterwards, how many there were and whether any were left."""

    def __init__(self, pieces: Iterator[pa.Table], limit: int | None) -> None:
        self._pieces, self._limit = pieces, limit
        self.written, self.truncated = 0, False

    def __iter__(self) -> Iterator[pa.Table]:
        for piece in self._pieces:
            if self._limit is not None and self.written + piece.num_rows > self._limit:
                self.truncated = True
                last = piece.slice(0, self._limit - self.written)
                self.written = self._limit
                yield last
                return
            self.written += piece.num_rows
            yield piece


@contextmanager
def _destination(output: Path | None) -> Iterator[Sink]:
    """Give standard output, or a file that appears only when it is complete."""
    if output is None:
        yield _StandardOutput()
        sys.stdout.flush()
        return
    part = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as sink:
            yield sink
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)


class _StandardOutput(io.RawIOBase):
    """Standard output as a sink of bytes, whether or not it has a binary side."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:  # Any: any bytes-like object
        content = bytes(data)
        binary = getattr(sys.stdout, "buffer", None)
        if binary is None:
            sys.stdout.write(content.decode())
        else:
            binary.write(content)
        return len(content)


def readable(piece: pa.Table) -> pa.Table:
    """Return a table with plain text symbols, and instants as RFC 3339 text with all nine digits."""
    columns: list[Any] = []  # Any: Arrow columns of any type
    for field, column in zip(piece.schema, piece.columns, strict=True):
        if pa.types.is_timestamp(field.type):
            columns.append(pc.strftime(column, format="%Y-%m-%dT%H:%M:%SZ"))
        elif pa.types.is_dictionary(field.type):
            columns.append(column.cast(pa.string()))
        else:
            columns.append(column)
    return pa.table(columns, names=piece.column_names)


def _csv(rows: Rows, sink: Sink, cut: _Cut) -> None:
    import polars as pl

    sink.write((",".join(rows.schema.names) + "\n").encode())
    for piece in cut:
        made = pl.DataFrame(readable(piece))
        sink.write(made.write_csv(include_header=False).encode())


def _json(rows: Rows, sink: Sink, cut: _Cut) -> None:
    import polars as pl

    head = json.dumps(plain(rows.about), ensure_ascii=False)[:-1]
    sink.write(f'{head}, "{rows.name}": ['.encode())
    between = b"\n"
    for piece in cut:
        if piece.num_rows > 0:
            body = pl.DataFrame(readable(piece)).write_ndjson().rstrip("\n").replace("\n", ",\n")
            sink.write(between + body.encode())
            between = b",\n"
    sink.write(f'\n], "count": {cut.written}, "truncated": {json.dumps(cut.truncated)}}}\n'.encode())


def _parquet(rows: Rows, sink: Sink, cut: _Cut) -> None:
    import pyarrow.parquet as pq

    with pq.ParquetWriter(pa.PythonFile(cast("io.IOBase", sink), "w"), rows.schema, compression="zstd") as writer:
        for piece in cut:
            writer.write_table(piece)


def _table(rows: Rows, sink: Sink, cut: _Cut) -> None:
    from rich.console import Console

    numbers = [f.name for f in rows.schema if f.name not in {"symbol", "ts"}]
    made = table(None, rows.schema.names, right=numbers)
    for piece in cut:
        for row in zip(*(column.to_pylist() for column in readable(piece).columns), strict=True):
            made.add_row(*(_cell(value) for value in row))
    if isinstance(sink, _StandardOutput):
        show_fitting(made, _SPARE if rows.name == "bars" else ("trade_id", "symbol", "side"))
        return
    text = io.StringIO()
    Console(file=text, width=200, no_color=True).print(made)
    sink.write(text.getvalue().encode())


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.8f}".rstrip("0").rstrip(".") if abs(value) < 1e6 else f"{value:,.2f}"  # noqa: PLR2004 -- wide sums
    if isinstance(value, int):
        return f"{value:,}"
    text = str(value)
    while text.endswith("000Z") and "." in text:
        text = text.removesuffix("000Z").removesuffix(".") + "Z"
    return text
