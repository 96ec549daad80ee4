"""Two tables of the same kind, compared row by row and field by field, with a tolerance for sums alone.

What belongs here: finding differences and describing the first of them. What does not: what is compared and why
(``content``, ``sample``, ``bars``).

Adding n numbers in any order errs by at most n x 2^-53 x (sum of their magnitudes). Where both sides were added up,
each in its own order, they may lie twice that apart: that is the whole tolerance, and every other field is exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

import numpy as np
import polars as pl
import pyarrow as pa

from ohlcv_assets.bars.invariants import UNIT_ROUNDOFF
from ohlcv_assets.verify.verdict import MAX_DIFFERENCES, Scalar

Row = Mapping[str, Scalar]
Key = tuple[str | int, ...]

_ROUNDINGS: Final = 2 * UNIT_ROUNDOFF
"""Both sides are rounded."""


@dataclass(frozen=True, slots=True)
class Differences:
    """What differs: in all, by field (``missing`` and ``extra`` rows among them), and the first rows."""

    total: int
    by_field: Mapping[str, int]
    first: tuple[Row, ...]

    def sentence(self) -> str:
        """Return ``3 differences (missing 1, close 2); first: ...`` for a summary."""
        fields = ", ".join(f"{field} {number:,}" for field, number in self.by_field.items())
        row = self.first[0]
        place = " ".join(str(row[key]) for key in ("symbol", "time") if row[key] is not None)
        return (
            f"{self.total:,} difference{'s' if self.total > 1 else ''} ({fields}); first: {place}, {row['field']}: "
            f"expected {row['expected']}, found {row['found']}."
        )


def instant_text(ts: int) -> str:
    """Return int64 nanoseconds as ISO 8601 text in UTC with as many decimals as are needed."""
    seconds, nanos = divmod(ts, 1_000_000_000)
    decimals = f".{nanos:09d}".rstrip("0") if nanos != 0 else ""
    return f"{np.datetime64(seconds, 's')}{decimals}Z"


def differences(
    expected: pa.Table,
    found: pa.Table,
    *,
    keys: Sequence[str],
    exact: Sequence[str],
    sums: Sequence[str] = (),
    trades: str = "trades",
) -> Differences:
    """Compare two tables by key.

    Parameters
    ----------
    expected, found
        Tables with these columns, in any order; a key that occurs twice is compared occurrence by occurrence.
    keys
        ``symbol``, and a timestamp column where there is one.
    exact
        Fields that must be equal to the last bit.
    sums
        float64 fields of one sign that may differ by rounding.
    trades
        The field that says how many numbers a sum has; read from ``expected``.

    Returns
    -------
    Differences
        The first of them in order of key.
    """
    fields = (*exact, *sums)
    both = _paired(_frame(expected, keys, fields), _frame(found, keys, fields), keys)
    missing, extra = pl.col("present found").is_null(), pl.col("present").is_null()
    paired = ~missing & ~extra
    masks = {"missing": missing, "extra": extra}
    masks |= {name: paired & pl.col(name).ne_missing(pl.col(f"{name} found")) for name in exact}
    masks |= {name: paired & ~_close(name, trades).fill_null(value=False) for name in sums}
    flags = both.select(**masks)
    counts = {name: int(flags[name].sum()) for name in masks}
    by_field = {name: count for name, count in counts.items() if count > 0}
    rows = [row for name in by_field for row in _rows(both.filter(flags[name]), name, keys, trades, name in sums)]
    rows.sort(key=lambda row: row[0])
    first = tuple(row for _, row in rows[:MAX_DIFFERENCES])
    return Differences(sum(by_field.values()), by_field, first)


def _frame(table: pa.Table, keys: Sequence[str], fields: Sequence[str]) -> pl.DataFrame:
    """Return keys as text and integers, the fields, and a mark that the row is there."""
    frame = cast("pl.DataFrame", pl.from_arrow(table.select([*keys, *fields])))
    times = [pl.col(name).to_physical() for name in keys if name != "symbol"]
    return frame.with_columns(pl.col("symbol").cast(pl.String), *times, present=pl.lit(value=True))


def _paired(expected: pl.DataFrame, found: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Put the rows of equal keys side by side, the found ones under `` found``."""
    if expected.select(keys).equals(found.select(keys)):
        return expected.hstack(found.drop(keys).rename(lambda name: f"{name} found"))
    occurrence = pl.int_range(pl.len()).over(keys).alias("occurrence")
    return expected.with_columns(occurrence).join(
        found.with_columns(occurrence), on=[*keys, "occurrence"], how="full", coalesce=True, suffix=" found"
    )


def _close(name: str, trades: str) -> pl.Expr:
    return (pl.col(name) - pl.col(f"{name} found")).abs() <= _slack(name, trades)


def _slack(name: str, trades: str) -> pl.Expr:
    return pl.col(trades) * _ROUNDINGS * pl.col(name).abs()


def _rows(different: pl.DataFrame, name: str, keys: Sequence[str], trades: str, rounded: bool) -> list[tuple[Key, Row]]:
    """Describe the first rows that differ in one field, by key, as text so that any table shows them alike."""
    first = different.sort(*keys).head(MAX_DIFFERENCES)
    whole_row = name in {"missing", "extra"}
    columns = [] if whole_row else [name, f"{name} found"]
    times = [key for key in keys if key != "symbol"]
    allowed = _slack(name, trades).alias("allowed") if rounded else pl.lit("exact").alias("allowed")
    presence = {"missing": ("a row", "none"), "extra": ("none", "a row")}
    rows: list[tuple[Key, Row]] = []
    for row in first.select(*keys, *columns, allowed).rows(named=True):
        expected, found = presence[name] if whole_row else (row[name], row[f"{name} found"])
        described: Row = {
            "symbol": row["symbol"],
            "time": instant_text(row[times[0]]) if times else None,
            "field": name,
            "expected": str(expected),
            "found": str(found),
            "allowed": str(row["allowed"]),
        }
        rows.append((tuple(row[key] for key in keys), described))
    return rows
