"""What a notebook passes and gets: anything that names an instant, and frames of three kinds.

What belongs here: the two conversions. What does not: reading.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from ohlcv_assets.errors import UserError
from ohlcv_assets.instants import parse_end, parse_start
from ohlcv_assets.units import Nanos, day_bounds, day_start

When = str | dt.date | dt.datetime | np.datetime64 | int
"""A day or month (``"2024-03-15"``, ``date``), an instant (text, ``datetime``, ``Timestamp``), or ns since 1970."""

Frame = Literal["pandas", "polars", "arrow"]


def frame(table: pa.Table, as_: Frame) -> Any:  # Any: one of three kinds of frame
    """Return an Arrow table as the kind of frame asked for.

    Raises
    ------
    UserError
        For any other kind.
    """
    if as_ == "arrow":
        return table
    if as_ == "pandas":
        return table.to_pandas()
    if as_ == "polars":
        import polars as pl  # noqa: PLC0415 -- loaded only for who asks for it

        return pl.from_arrow(table)
    raise UserError(f"There is no frame of kind {as_!r}; choose pandas, polars or arrow.")


def instant(when: When, *, end: bool) -> Nanos:
    """Return the instant at which a range starts, or ends, for anything that names one.

    Raises
    ------
    InvalidDateError
        The text is no date or instant.
    """
    if isinstance(when, str):
        return parse_end(when) if end else parse_start(when)
    if isinstance(when, int):
        return Nanos(when)
    if isinstance(when, np.datetime64):
        return Nanos(int(when.astype("datetime64[ns]").astype(np.int64)))
    if isinstance(when, dt.datetime):
        aware = when if when.tzinfo is not None else when.replace(tzinfo=dt.UTC)
        nanosecond = int(getattr(aware, "nanosecond", 0))  # of a pandas Timestamp, which datetime does not know
        whole = (aware - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)
        return Nanos(whole * 1_000 + nanosecond)
    return day_bounds(when)[1] if end else day_start(when)
