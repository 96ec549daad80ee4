"""The one form that rows of every format are brought into, and the shape of a format.

What belongs here: the canonical columns, what a format has to say of itself, what a format may look at to be
recognised. What does not: any particular format.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import polars as pl

from ohlcv_assets.sources.exchange.expressions import Instant, is_plain

Kind = Literal["csv", "json", "parquet"]

CANONICAL: Final[Mapping[str, pl.DataType]] = {
    "line": pl.Int64(),
    "symbol": pl.String(),
    "ts": pl.Int64(),
    "price": pl.Float64(),
    "amount": pl.Float64(),
    "side": pl.Int8(),
    "id": pl.String(),
}
"""Line or row number from 1; name; nanoseconds since 1970; side +1, -1, or 0 where the file does not say; id or null.

A null or an impossible value in any other column means that the row cannot be read.
"""


@dataclass(frozen=True)
class Sample:
    """What a format may look at to be recognised.

    Attributes
    ----------
    kind
        How the rows are written.
    name
        Name of the file, or of the member of an archive, without folders.
    first
        Fields of the first row, or the keys of the first object, or the names of the columns.
    second
        Fields of the second row; empty where there is none, or where the kind is not ``"csv"``.
    """

    kind: Kind
    name: str
    first: tuple[str, ...]
    second: tuple[str, ...] = ()

    @property
    def header(self) -> tuple[str, ...] | None:
        """Names of the columns in small letters and digits only; None where the first row is data already."""
        if self.kind == "csv" and any(is_number(text) for text in self.first):
            return None
        return tuple(plain(text) for text in self.first)

    @property
    def row(self) -> tuple[str, ...]:
        """Fields of the first row of data; empty where the sample has none."""
        return self.first if self.header is None else self.second

    @property
    def stem(self) -> str:
        """The name up to its first dot."""
        return self.name.partition(".")[0]


@dataclass(frozen=True)
class Layout:
    """How to read one file.

    Attributes
    ----------
    format
        Name of the format.
    skip
        Lines before the first row: 1 where there is a header.
    columns
        Names for the fields of a row, in order; for JSON the keys, for Parquet the columns.
    ts
        The column of instants.
    price, amount
        Expressions over those columns, which are all text.
    side, id, symbol
        The same; None where the format has none.
    file_symbol
        The symbol as the file's name tells it, for formats without a column.
    separator
        What stands between the fields of a CSV file.
    """

    format: str
    skip: int
    columns: tuple[str, ...]
    ts: Instant
    price: pl.Expr
    amount: pl.Expr
    side: pl.Expr | None = None
    id: pl.Expr | None = None
    symbol: pl.Expr | None = None
    file_symbol: str | None = None
    separator: str = ","

    def number_types(self, *, whole_instants: bool) -> dict[str, pl.DataType]:
        """Return the types of the columns that may be parsed as numbers, as no other expression reads them as text.

        Parameters
        ----------
        whole_instants
            Whether instants are written as whole numbers.
        """
        plain = [value for value in (self.price, self.amount) if is_plain(value)]
        types: dict[str, pl.DataType] = {value.meta.root_names()[0]: pl.Float64() for value in plain}
        if whole_instants:
            types[self.ts.column] = pl.Int64()
        others = [value for value in (self.price, self.amount) if not is_plain(value)]
        others += [value for value in (self.side, self.id, self.symbol) if value is not None]
        texts = {name for value in others for name in value.meta.root_names()}
        return {name: dtype for name, dtype in types.items() if name not in texts}


def is_number(text: str) -> bool:
    """Tell whether a field is a plain decimal number."""
    return re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text.strip()) is not None


def is_flag(text: str) -> bool:
    """Tell whether a field is true or false in words."""
    return text.strip().lower() in {"true", "false"}


def plain(text: str) -> str:
    """Return a column's name in small letters and digits only, so that spellings of one name are equal."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def named(header: tuple[str, ...] | None, *needed: str) -> bool:
    """Tell whether a header has all of these columns."""
    return header is not None and set(needed) <= set(header)
