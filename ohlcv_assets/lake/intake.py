"""Taking in the rows of an import's files, and stopping where too many cannot be read.

What belongs here: going through files and members, counting, the limit of unreadable rows. What does not: formats,
days.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from ohlcv_assets.errors import ImportFileError
from ohlcv_assets.lake.machine import machine_errors
from ohlcv_assets.lake.report import MOST_LISTED, SourceFile
from ohlcv_assets.lake.spool import Spool
from ohlcv_assets.progress import Observer, Progress
from ohlcv_assets.sources.exchange.mapped import ColumnMapping
from ohlcv_assets.sources.exchange.opening import members_of, sha256_of
from ohlcv_assets.sources.exchange.reading import BadRow, Reader, open_trades

_MOST_SHOWN: Final = 5


@dataclass(frozen=True)
class Intake:
    """What was taken in: the rows by day and symbol, the files, the first unreadable rows."""

    spool: Spool
    files: tuple[SourceFile, ...]
    bad_rows: tuple[BadRow, ...]


def take_in(
    files: Iterable[Path],
    spool: Spool,
    symbol: str | None,
    format_name: str | None,
    mapping: ColumnMapping | None,
    skip_bad: int,
    observer: Observer,
) -> Intake:
    """Read every file into the spool.

    Raises
    ------
    ImportFileError
        A file cannot be read as asked, more rows than ``skip_bad`` cannot be read, there is no trade at all, or a file
        is the copy of another and no ids tell.
    """
    limit = _Limit(skip_bad)
    taken: list[SourceFile] = []
    copies: dict[tuple[str, frozenset[str]], Path] = {}
    for path in files:
        file, unnumbered = _file(path, spool, symbol, format_name, mapping, limit, observer)
        if unnumbered and copies.setdefault((file.sha256, unnumbered), path) != path:
            raise ImportFileError(
                f"{path} has the same content as {copies[file.sha256, unnumbered]}, and without ids every trade would "
                "count twice: name one of them."
            )
        taken.append(file)
    if not spool.days():
        raise ImportFileError(f"There is no trade in {', '.join(file.name for file in taken[:_MOST_SHOWN])}.")
    return Intake(spool, tuple(taken), tuple(limit.listed))


class _Limit:
    """Counts unreadable rows and stops at one too many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0
        self.listed: list[BadRow] = []

    def add(self, bad: tuple[BadRow, ...], count: int) -> None:
        self._count += count
        self.listed.extend(bad[: MOST_LISTED - len(self.listed)])
        if self._count > self._most:
            shown = "".join(f"\n  {row}" for row in self.listed[:_MOST_SHOWN])
            allowed = "none is allowed" if self._most == 0 else f"{self._most} are allowed"
            raise ImportFileError(
                f"{self._count} row(s) cannot be read and {allowed}: correct them, or allow more with --skip-bad N."
                f"{shown}"
            )


def _file(
    path: Path,
    spool: Spool,
    symbol: str | None,
    format_name: str | None,
    mapping: ColumnMapping | None,
    limit: _Limit,
    observer: Observer,
) -> tuple[SourceFile, frozenset[str]]:
    """Read one file; return what it was, and its symbols that have trades without an id."""
    with machine_errors("read", path):
        size, sha256 = path.stat().st_size, sha256_of(path)
    rows = unreadable = 0
    formats: list[str] = []
    unnumbered: set[str] = set()
    members = members_of(path)
    for done, member in enumerate(members, start=1):
        with member.opened() as stream:
            reader: Reader = open_trades(member, stream, symbol, format_name, mapping)
            for block in reader.rows:
                limit.add(block.bad, block.bad_count)
                spool.put(block.trades)
                unnumbered.update(block.trades.filter(pl.col("id").is_null())["symbol"].unique())
                rows += block.trades.height + block.bad_count
                unreadable += block.bad_count
                observer(Progress("import", path.name, rows, None, "rows", {"member": done, "members": len(members)}))
        if reader.layout.format not in formats:
            formats.append(reader.layout.format)
    return SourceFile(path.name, size, sha256, tuple(formats), rows, unreadable), frozenset(unnumbered)
