"""The days that a command is asked to work on.

What belongs here: `--from` and `--to` of commands that work on whole days. What does not: instants (``instants``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from ohlcv_assets.errors import InvalidDateError, OutsideDatasetError
from ohlcv_assets.instants import parse_days


def days_asked(days: Sequence[dt.date], name: str, start: str | None, end: str | None) -> tuple[dt.date, ...]:
    """Return the days of a dataset from one to another, both included.

    Parameters
    ----------
    days
        The dataset's days in order.
    name
        The dataset's name, for messages.
    start, end
        A day or a month; the dataset's first and last day where None.

    Raises
    ------
    InvalidDateError
        The text is neither day nor month, or the end is before the start.
    OutsideDatasetError
        A day that the dataset does not have.
    """
    first = days[0] if start is None else parse_days(start)[0]
    last = days[-1] if end is None else parse_days(end)[1]
    for day, text in ((first, start), (last, end)):
        if not days[0] <= day <= days[-1]:
            raise OutsideDatasetError(f"{text} is outside dataset {name!r}; its days run from {days[0]} to {days[-1]}.")
    if last < first:
        raise InvalidDateError(f"--to {end or last} is before --from {start or first}; swap the two.")
    return tuple(day for day in days if first <= day <= last)
