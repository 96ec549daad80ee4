"""Reading a file of trades into canonical rows, block by block, and naming every row that cannot be read.

What belongs here: from a file to tables of ``canonical.CANONICAL``. What does not: formats, the order of trades.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ohlcv_assets.errors import ImportFileError
from ohlcv_assets.market.grid import MOST_STEPS
from ohlcv_assets.sources.exchange.canonical import Kind, Layout, Sample
from ohlcv_assets.sources.exchange.detect import layout_of
from ohlcv_assets.sources.exchange.mapped import ColumnMapping
from ohlcv_assets.sources.exchange.opening import Member, damaged, line_blocks
from ohlcv_assets.sources.exchange.tables import LINE, TextRows, csv_rows, json_list_rows, json_rows, parquet_rows

MOST_REPORTED: Final = 100
"""Unreadable rows of a block that are described one by one; the others are only counted."""

_MOST_SHOWN: Final = 120
_HEAD_BYTES: Final = 1 << 16
_MOST_NANOS: Final = 2**63 - 1 - 86_400 * 10**9
_FIELDS: Final = ("symbol", "ts", "price", "amount", "side")
_NAMES: Final = {"ts": "time"}


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be read: where, and why."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        """Return ``file, line n: reason``."""
        return f"{self.file}, line {self.line}: {self.reason}"


@dataclass(frozen=True)
class Rows:
    """Canonical rows, all readable, and those that were not.

    Attributes
    ----------
    trades
        ``canonical.CANONICAL``.
    bad
        The first unreadable rows.
    bad_count
        How many unreadable rows there were in all.
    """

    trades: pl.DataFrame
    bad: tuple[BadRow, ...]
    bad_count: int


@dataclass(frozen=True)
class Reader:
    """A file whose format is known: iterate ``rows`` once."""

    layout: Layout
    rows: Iterator[Rows]


def open_trades(
    member: Member, stream: IO[bytes], symbol: str | None, format_name: str | None, mapping: ColumnMapping | None
) -> Reader:
    """Find out how to read a file and begin to.

    Parameters
    ----------
    member, stream
        The file, opened; it is read twice from its beginning.
    symbol
        The symbol of all its rows, where the user gives one.
    format_name, mapping
        As for ``detect.layout_of``.

    Raises
    ------
    ImportFileError
        The format is not recognised or does not fit, the file is empty or damaged, or its symbol is not known.
    """
    with damaged(member.where):
        head = stream.read(_HEAD_BYTES).removeprefix(b"\xef\xbb\xbf")
        stream.seek(0)
    if head.strip() == b"":
        raise ImportFileError(f"{member.where} is empty.")
    separator = "," if mapping is None else mapping.delimiter
    parquet = _parquet(member, stream) if head[:4] == b"PAR1" else None
    sample = _sample(member, head, separator, parquet)
    layout = layout_of(sample, member.where, format_name, mapping)
    if symbol is None and layout.symbol is None and layout.file_symbol is None:
        raise ImportFileError(f"{member.where} does not say which symbol it holds: say so with --symbol.")
    texts = _texts(member, stream, head, sample, layout, parquet)
    return Reader(layout, _canonical(texts, member.where, layout, symbol))


def _parquet(member: Member, stream: IO[bytes]) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(stream)
    except (pa.ArrowException, OSError) as error:
        raise ImportFileError(f"{member.where} is no readable Parquet file ({error}): fetch it again.") from error


def _sample(member: Member, head: bytes, separator: str, parquet: pq.ParquetFile | None) -> Sample:
    if parquet is not None:
        return Sample("parquet", member.name, tuple(parquet.schema_arrow.names))
    text = head.decode("utf-8", "replace")
    kind: Kind = "json" if text.lstrip()[:1] in {"[", "{"} else "csv"
    if kind == "json":
        keys = pl.Series([text.lstrip("[ \r\n\t")]).str.extract_all(r'"([A-Za-z_]+)"\s*:')[0].str.extract(r'"(.*)"')
        return Sample("json", member.name, tuple(keys.unique(maintain_order=True).to_list()))
    rows = csv.reader(text.splitlines()[:2], delimiter=separator)
    first = tuple(next(rows, []))
    return Sample("csv", member.name, first, tuple(next(rows, [])))


def _texts(
    member: Member, stream: IO[bytes], head: bytes, sample: Sample, layout: Layout, parquet: pq.ParquetFile | None
) -> Iterator[TextRows]:
    if parquet is not None:
        return parquet_rows(parquet, layout, member.where)
    if head.lstrip()[:1] == b"[":
        return json_list_rows(stream, layout, member.where)
    blocks = line_blocks(stream, member.where)
    if head.lstrip()[:1] == b"{":
        return json_rows(blocks, layout)
    fields = dict(zip(layout.columns, sample.row, strict=False))
    whole_instants = fields.get(layout.ts.column, "").strip().isdecimal()
    return csv_rows(blocks, layout, member.where, layout.number_types(whole_instants=whole_instants))


def _canonical(texts: Iterator[TextRows], where: str, layout: Layout, symbol: str | None) -> Iterator[Rows]:
    named: set[str] = set()
    for text in texts:
        if symbol is not None and layout.symbol is not None:
            named |= set(text.frame.select(layout.symbol.unique()).to_series().drop_nulls())
            if len(named) > 1:
                raise ImportFileError(
                    f"{where} holds several symbols ({', '.join(sorted(named)[:5])}): leave out --symbol."
                )
        yield _judged(text, where, layout, symbol)


def _read(frame: pl.DataFrame, layout: Layout, symbol: str | None) -> pl.DataFrame:
    """Return rows of a file as ``CANONICAL``, null where something cannot be read."""
    return frame.select(
        pl.col(LINE),
        _symbol(layout, symbol).alias("symbol"),
        layout.ts.read(frame).alias("ts"),
        _number(layout.price, frame).alias("price"),
        _number(layout.amount, frame).alias("amount"),
        (pl.lit(0, pl.Int8) if layout.side is None else layout.side).cast(pl.Int8).alias("side"),
        (pl.lit(None, pl.String) if layout.id is None else layout.id).alias("id"),
    )


def _number(value: pl.Expr, frame: pl.DataFrame) -> pl.Expr:
    """Return an expression of numbers, or their column where it has been parsed already."""
    column = value.meta.root_names()[0]
    return pl.col(column) if frame.schema[column] == pl.Float64 else value


def _symbol(layout: Layout, symbol: str | None) -> pl.Expr:
    if symbol is not None:
        return pl.lit(symbol)
    return pl.lit(layout.file_symbol) if layout.symbol is None else layout.symbol


def _judged(text: TextRows, where: str, layout: Layout, symbol: str | None) -> Rows:
    """Part the rows that can be read from those that cannot."""
    frame = _read(text.frame, layout, symbol)
    sound = {
        "symbol": pl.col("symbol").is_not_null() & ~pl.col("symbol").is_in(_strange_names(frame["symbol"])),
        "ts": pl.col("ts").is_between(0, _MOST_NANOS),
        "price": _positive("price"),
        "amount": _positive("amount"),
        "side": pl.col("side").is_not_null(),
    }
    verdicts = frame.select(check.fill_null(value=False).alias(f"_{name}") for name, check in sound.items())
    good = verdicts.select(pl.all_horizontal(pl.all())).to_series()
    if good.all() and not text.misshapen:
        return Rows(frame, (), 0)
    if text.again is not None:
        return _judged(text.again(), where, layout, symbol)
    raw = pl.concat_str(pl.exclude(LINE).fill_null(""), separator=",")
    unreadable = pl.concat([frame, verdicts, text.frame.select(raw.alias("_raw"))], how="horizontal").filter(~good)
    described = [
        BadRow(where, row["line"], _reason(row)) for row in unreadable.head(MOST_REPORTED).iter_rows(named=True)
    ]
    described += [BadRow(where, line, reason) for line, reason in text.misshapen[:MOST_REPORTED]]
    described.sort(key=lambda row: row.line)
    return Rows(frame.filter(good), tuple(described[:MOST_REPORTED]), unreadable.height + len(text.misshapen))


def _strange_names(names: pl.Series) -> list[str]:
    """Return the names that hold control characters, or bytes that were no UTF-8."""
    return (
        names.unique()
        .drop_nulls()
        .to_frame()
        .filter(pl.first().str.contains(r"[\p{Cc}\x{FFFD}]"))
        .to_series()
        .to_list()
    )


def _positive(column: str) -> pl.Expr:
    return pl.col(column).is_finite() & (pl.col(column) > 0) & (pl.col(column) < MOST_STEPS)


def _reason(row: dict[str, object]) -> str:
    wrong = [name for name in _FIELDS if row[f"_{name}"] is False]
    what = ", ".join(
        f"{_NAMES.get(name, name)} cannot be read" if row[name] is None else f"{_NAMES.get(name, name)} is {row[name]}"
        for name in wrong
    )
    return f"{what} in {str(row['_raw'])[:_MOST_SHOWN]!r}"
