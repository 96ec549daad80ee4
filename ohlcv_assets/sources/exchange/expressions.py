"""From text to numbers, instants and sides, for whole columns at a time.

What belongs here: expressions over columns of text that give null for what cannot be read. What does not: which column
holds what. Instants are read as decimal text, digit by digit: never through floating point, never through
``datetime``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import polars as pl

TimeUnit = Literal["auto", "s", "ms", "us", "ns", "iso"]

_POWER: Final = {"s": 9, "ms": 6, "us": 3, "ns": 0}
_SECOND_DIGITS: Final = 11
_MILLI_DIGITS: Final = 14
_MICRO_DIGITS: Final = 17
_MOST: Final = 2**63 - 1
_NOTHING: Final = "\0"
_NUMBER: Final = r"^\+?[0-9]+(\.[0-9]*)?$"
_ISO: Final = (
    r"^([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]+))?"
    r"(Z|[+-][0-9]{2}:?[0-9]{2})?$"
)


def text(column: str) -> pl.Expr:
    """Return a column's text without surrounding blanks; empty text is null."""
    stripped = pl.col(column).str.strip_chars()
    return pl.when(stripped != "").then(stripped)


def number(column: str) -> pl.Expr:
    """Return a column as the double nearest to its decimal text."""
    return text(column).cast(pl.Float64, strict=False)


def is_plain(value: pl.Expr) -> bool:
    """Tell whether an expression reads one column as ``number`` does, so that the column may as well be parsed so."""
    return value.meta.eq(number(value.meta.root_names()[0]))


@dataclass(frozen=True)
class Instant:
    """A column of instants: decimal numbers in ``unit``, with or without a fraction, or ISO 8601 text.

    Attributes
    ----------
    column
        Name of a column of text.
    unit
        ``"auto"`` takes ISO 8601 for what it is, and numbers by their size: below 1e11 seconds, 1e14 milliseconds,
        1e17 microseconds, else nanoseconds. ISO 8601 without an offset is UTC. Digits beyond the nanosecond are cut
        off.
    """

    column: str
    unit: TimeUnit

    def read(self, frame: pl.DataFrame) -> pl.Series:
        """Return the column, text or whole numbers, as nanoseconds since 1970; null for what cannot be read."""
        value = frame[self.column]
        if value.dtype == pl.Int64:
            return _scaled_whole(value, self.unit)
        return _instants(frame.select(text(self.column)).to_series(), self.unit)


def _instants(value: pl.Series, unit: TimeUnit) -> pl.Series:
    """Read instants: whole numbers, the common case, at once, anything else with care."""
    if unit != "iso":
        whole = value.cast(pl.Int64, strict=False)
        if whole.null_count() == value.null_count():
            return _scaled_whole(whole, unit)
    return value.to_frame().select(_careful(pl.col(value.name), unit)).to_series()


def _scaled_whole(whole: pl.Series, unit: TimeUnit) -> pl.Series:
    """Return whole numbers in a unit as nanoseconds."""
    number = pl.col(whole.name)
    return whole.to_frame().select(_times_power(number, unit, _digits_of(number))).to_series()


def _times_power(whole: pl.Expr, unit: TimeUnit, digits: pl.Expr) -> pl.Expr:
    if unit != "auto":
        return _within(whole, _POWER[unit])
    return (
        pl.when(digits <= _SECOND_DIGITS)
        .then(_within(whole, 9))
        .when(digits <= _MILLI_DIGITS)
        .then(_within(whole, 6))
        .when(digits <= _MICRO_DIGITS)
        .then(_within(whole, 3))
        .otherwise(_within(whole, 0))
    )


def _digits_of(whole: pl.Expr) -> pl.Expr:
    """Return the class of size of whole numbers, as the most digits of that class."""
    return (
        pl.when(whole < 10**_SECOND_DIGITS)
        .then(_SECOND_DIGITS)
        .when(whole < 10**_MILLI_DIGITS)
        .then(_MILLI_DIGITS)
        .when(whole < 10**_MICRO_DIGITS)
        .then(_MICRO_DIGITS)
        .otherwise(_MICRO_DIGITS + 1)
    )


def _within(whole: pl.Expr, power: int) -> pl.Expr:
    """Return whole numbers times ``10**power``; null where they are negative or that is too large."""
    return pl.when(whole.is_between(0, _MOST // 10**power - 1)).then(whole * 10**power)


def _careful(value: pl.Expr, unit: TimeUnit) -> pl.Expr:
    """Return instants from decimal text or ISO 8601."""
    if unit == "iso":
        return _iso(value)
    if unit != "auto":
        return _scaled(value, _POWER[unit])
    size = value.str.extract(r"^\+?0*([0-9]*)", 1).str.len_chars()
    return (
        pl.when(value.str.contains("-", literal=True))
        .then(_iso(value))
        .when(size <= _SECOND_DIGITS)
        .then(_scaled(value, 9))
        .when(size <= _MILLI_DIGITS)
        .then(_scaled(value, 6))
        .when(size <= _MICRO_DIGITS)
        .then(_scaled(value, 3))
        .otherwise(_scaled(value, 0))
    )


def fixed_point(column: str, power: int) -> pl.Expr:
    """Return a column of whole steps of ``10**-power``; text with a decimal point is taken as a decimal number."""
    steps = text(column).cast(pl.Int64, strict=False).cast(pl.Float64)
    # Polars multiplies by the reciprocal of a single divisor, which is off by a bit; by a column it divides.
    divided = steps / (steps * 0.0 + float(10**power))
    return pl.when(text(column).str.contains(".", literal=True)).then(number(column)).otherwise(divided)


def side_of(column: str, buy: tuple[str, ...], sell: tuple[str, ...], unknown: tuple[str, ...] = ()) -> pl.Expr:
    """Return a column of words as sides: +1 for a buy, -1 for a sell, 0 for unknown or empty, null for other words."""
    meaning: dict[str, int] = {**dict.fromkeys(unknown, 0), **dict.fromkeys(sell, -1), **dict.fromkeys(buy, 1)}
    word = text(column).str.to_lowercase().fill_null(_NOTHING)
    return word.replace_strict({**meaning, _NOTHING: 0}, default=None, return_dtype=pl.Int8)


def _scaled(value: pl.Expr, power: int) -> pl.Expr:
    """Return decimal text times ``10**power`` as a whole number, digit by digit."""
    well_formed = pl.when(value.str.contains(_NUMBER)).then(value)
    whole = well_formed.str.extract(r"^\+?([0-9]+)", 1).cast(pl.Int64, strict=False)
    return _within(whole, power) + _fraction(well_formed.str.extract(r"\.([0-9]*)$", 1), power)


def _fraction(digits: pl.Expr, power: int) -> pl.Expr:
    if power == 0:
        return pl.lit(0, pl.Int64)
    padded = digits.fill_null("").str.head(power).str.pad_end(power, "0")
    return padded.cast(pl.Int64, strict=False)


def _iso(value: pl.Expr) -> pl.Expr:
    parts = value.str.extract_groups(_ISO).struct
    moment = pl.concat_str(parts.field("1"), pl.lit("T"), parts.field("2"))
    seconds = moment.str.to_datetime("%Y-%m-%dT%H:%M:%S", strict=False, time_unit="ms").dt.epoch("s")
    zone = parts.field("4").str.replace("Z", "+00:00", literal=True).str.replace(":", "", literal=True)
    minutes = (
        zone.str.slice(1, 2).cast(pl.Int64, strict=False) * 60 + zone.str.slice(3, 2).cast(pl.Int64, strict=False)
    ).fill_null(0)
    ahead = pl.when(zone.str.starts_with("-")).then(-minutes).otherwise(minutes)
    in_range = seconds.is_between(-(_MOST // 10**9) + 1, _MOST // 10**9 - 1)
    return pl.when(in_range).then((seconds - ahead * 60) * 10**9 + _fraction(parts.field("3"), 9))
