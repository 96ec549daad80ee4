"""What an import did, in numbers.

What belongs here: the report and its plain form. What does not: doing it (``importing``).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from ohlcv_assets.sources.exchange.arrange import Tally
from ohlcv_assets.sources.exchange.reading import BadRow

MOST_LISTED: Final = 100


@dataclass(frozen=True)
class SourceFile:
    """A file that was read.

    Attributes
    ----------
    name
        Its name without folders.
    bytes
        Its size on disk.
    sha256
        Of its bytes on disk.
    formats
        The formats found in it: one, or as many as its members have.
    rows
        Rows read from it, unreadable ones included.
    unreadable
        Rows of it that could not be read.
    """

    name: str
    bytes: int
    sha256: str
    formats: tuple[str, ...]
    rows: int
    unreadable: int


@dataclass(frozen=True)
class ImportReport:
    """What an import did.

    Attributes
    ----------
    dataset, root
        Name and folder of the dataset.
    files
        What was read.
    first, last
        Its first and last day.
    days, empty_days
        Days from first to last, and those of them without trades.
    symbols
        Names, in order.
    rows
        Rows read, unreadable ones included.
    unreadable
        Rows that could not be read.
    tally
        What was done to the others.
    bad_rows
        The first unreadable rows, at most ``MOST_LISTED``.
    bytes
        Size of the day files.
    seconds
        Wall time.
    """

    dataset: str
    root: Path
    files: tuple[SourceFile, ...]
    first: dt.date
    last: dt.date
    days: int
    empty_days: int
    symbols: tuple[str, ...]
    rows: int
    unreadable: int
    tally: Tally
    bad_rows: tuple[BadRow, ...]
    bytes: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values
        """Return the report as JSON values, the tally's figures beside the others."""
        plain = asdict(self)
        plain.update(plain.pop("tally"))
        plain["root"] = str(self.root)
        plain["first"], plain["last"] = self.first.isoformat(), self.last.isoformat()
        return plain
