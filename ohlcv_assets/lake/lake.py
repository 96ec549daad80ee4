"""The lake: one Parquet file a day, in hive folders.

What belongs here: which file is whose, whether it can be reused, reading it whole or in parts. What does not: how a
file is written (``writer``) or judged (``dayfile``), and what should be in it (``verify``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from ohlcv_assets.errors import MissingDayFileError, StaleDayFileError
from ohlcv_assets.lake import dayfile
from ohlcv_assets.lake.atomic import flush, remove_leftovers
from ohlcv_assets.lake.dayfile import REPLACE, DayFile, damage
from ohlcv_assets.lake.hashing import ContentHash
from ohlcv_assets.lake.machine import machine_errors
from ohlcv_assets.lake.writer import runs, write_day_file
from ohlcv_assets.market.schema import TRADES
from ohlcv_assets.progress import Observer, nobody

_FILE: Final = "trades.parquet"
_FOLDER: Final = "date="


class Lake:
    """The day files below one folder. It remembers nothing of them: any number of lakes may work at once.

    Parameters
    ----------
    root
        The folder.
    remedy
        What to do about a file that is of no use, for the errors.
    """

    def __init__(self, root: Path, remedy: str = REPLACE) -> None:
        self.root = root
        self.remedy = remedy

    def path(self, day: dt.date) -> Path:
        """Return where the file of a day is, or would be."""
        return self.root / f"{_FOLDER}{day.isoformat()}" / _FILE

    def days(self) -> tuple[dt.date, ...]:
        """Return the days that have a file, in order."""
        found = []
        for path in self.root.glob(f"{_FOLDER}*/{_FILE}"):
            try:
                found.append(dt.date.fromisoformat(path.parent.name.removeprefix(_FOLDER)))
            except ValueError:  # a folder of somebody else's
                continue
        return tuple(sorted(found))

    def inspect(self, day: dt.date) -> DayFile:
        """Read the footer of a day's file; see ``dayfile.inspect`` for what may be raised."""
        return dayfile.inspect(self.path(day), day, self.remedy)

    def write(
        self,
        day: dt.date,
        batches: Iterator[pa.RecordBatch],
        fingerprint: Mapping[str, str],
        *,
        expected: int | None = None,
        force: bool = False,
        observer: Observer = nobody,
    ) -> tuple[DayFile, bool]:
        """Make the day's file be there with that fingerprint.

        A file that carries the fingerprint is reused, and ``batches`` is not touched, unless ``force``.

        Parameters
        ----------
        day, batches, fingerprint, expected, observer
            As for ``writer.write_day_file``.
        force
            Write anew whatever is there.

        Returns
        -------
        tuple of DayFile and bool
            The file, and whether it was reused.

        Raises
        ------
        StaleDayFileError, DamagedDayFileError, ForeignDayFileError
            What is there is something else, and ``force`` was not given.
        LakeError, MachineError
            As for ``writer.write_day_file``.
        """
        if not force:
            found = self._reusable(day, fingerprint)
            if found is not None:
                return found, True
        return write_day_file(self.path(day), day, batches, fingerprint, expected=expected, observer=observer), False

    def _reusable(self, day: dt.date, fingerprint: Mapping[str, str]) -> DayFile | None:
        try:
            found = self.inspect(day)
        except MissingDayFileError:
            return None
        if found.fingerprint == fingerprint:
            return found
        both = found.fingerprint.keys() | fingerprint.keys()
        changed = sorted(key for key in both if found.fingerprint.get(key) != fingerprint.get(key))
        raise StaleDayFileError(
            f"{found.path} was made from something else than asked for now (it differs in {', '.join(changed)}): "
            f"{self.remedy}."
        )

    def read(
        self, day: dt.date, symbols: Sequence[str] | None = None, columns: Sequence[str] | None = None
    ) -> pa.Table:
        """Return a day's trades, or some symbols and columns of them, sorted by (symbol, ts).

        Parameters
        ----------
        day
            The day.
        symbols
            Only these; their row groups alone are read. A symbol without trades that day adds nothing.
        columns
            Only these, in this order; all of ``market.schema.TRADES`` where None.

        Raises
        ------
        MissingDayFileError, DamagedDayFileError, ForeignDayFileError, StaleDayFileError, MachineError
            As for ``inspect``; damage may also show only in what is read.
        """
        found = self.inspect(day)
        schema = _projection(columns)
        wanted = None if symbols is None else frozenset(symbols)
        groups = [at for at, symbol in enumerate(found.row_groups) if wanted is None or symbol in wanted]
        with (
            machine_errors(f"read the day file of {day}", found.path),
            damage(found.path, self.remedy),
            _open(found) as file,
        ):
            table = file.read_row_groups(groups, columns=schema.names)
            table.validate(full=True)  # a broken page header may slip past the checksums
        return table.select(schema.names).unify_dictionaries().cast(schema)

    def batches(self, day: dt.date, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield a day's trades sorted by (symbol, ts), one symbol a batch; memory stays within a row group.

        Raises
        ------
        MissingDayFileError, DamagedDayFileError, ForeignDayFileError, StaleDayFileError, MachineError
            As for ``read``.
        """
        found = self.inspect(day)
        schema = _projection(columns)
        with machine_errors(f"read the day file of {day}", found.path), damage(found.path, self.remedy):
            file = _open(found)
        with file:
            for at in range(len(found.row_groups)):
                with machine_errors(f"read the day file of {day}", found.path), damage(found.path, self.remedy):
                    group = file.read_row_group(at, columns=schema.names)
                    group.validate(full=True)  # as in read
                    group = group.select(schema.names).cast(schema)
                yield from group.combine_chunks().to_batches()

    def recompute_hash(self, day: dt.date) -> tuple[str, Mapping[str, int]]:
        """Return the content hash and the rows per symbol of a day, computed from the trades themselves.

        Raises
        ------
        MissingDayFileError, DamagedDayFileError, ForeignDayFileError, StaleDayFileError, MachineError
            As for ``read``.
        """
        content = ContentHash()
        for batch in self.batches(day):
            for symbol, piece in runs(batch):
                content.update(symbol, piece)
        return content.hexdigest(), content.counts

    def delete(self, day: dt.date) -> bool:
        """Delete a day's file and what killed writers left beside it; return whether there was a file."""
        path = self.path(day)
        with machine_errors(f"delete the day file of {day}", path):
            if not path.parent.is_dir():
                return False
            there = path.exists()
            path.unlink(missing_ok=True)
            remove_leftovers(path.parent)
            if not any(path.parent.iterdir()):
                path.parent.rmdir()
            flush(self.root)
        return there


def _projection(columns: Sequence[str] | None) -> pa.Schema:
    return TRADES if columns is None else pa.schema([TRADES.field(name) for name in columns])


def _open(found: DayFile) -> pq.ParquetFile:
    return pq.ParquetFile(found.path, page_checksum_verification=True)
