"""What DuckDB refuses, said in one sentence.

What belongs here: sorting DuckDB's errors into this package's. What does not: retrying.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import duckdb

from ohlcv_assets.errors import MachineError, OhlcvError, StoreError
from ohlcv_assets.lake.machine import free_bytes, megabytes

_NO_ROOM: Final = (
    "no space left",
    "file too large",
    "disk quota",
    "max_temp_directory_size",
    "could not write all bytes",
)
_REFUSED: Final = ("permission denied", "read-only file system", "operation not permitted", "no such file or directory")
_DAMAGED: Final = ("not a valid duckdb", "corrupt", "checksum", "deserialize", "serialization error")
_LOCKED: Final = "could not set lock"
_ATTACHED: Final = "unique file handle conflict"


def is_locked(error: duckdb.Error) -> bool:
    """Tell whether another process, or another connection of this one, has the file open."""
    text = str(error).lower()
    return _LOCKED in text or _ATTACHED in text


def lock_holder(error: duckdb.Error) -> str | None:
    """Return who has the file open, as far as DuckDB says."""
    text = str(error)
    if "(PID " not in text:
        return "another connection of this process" if _ATTACHED in text.lower() else None
    return f"process {text.split('(PID ', 1)[1].split(')', 1)[0]}, which is not one of this project's steps"


def breaks_the_connection(error: duckdb.Error) -> bool:
    """Tell whether what the process holds of the file must be thrown away after this error."""
    return isinstance(error, duckdb.FatalException | duckdb.InternalException | duckdb.IOException)


def explained(error: duckdb.Error, path: Path) -> OhlcvError:
    """Return the error of this package that says what went wrong with the file, and what to do."""
    text = str(error).lower()
    first_line = str(error).splitlines()[0]
    if any(mark in text for mark in _NO_ROOM):
        return MachineError(
            f"There is no room to write the store {path} ({megabytes(free_bytes(path.parent))} are free): make room or "
            "raise the file size limit, then run again; what was loaded before is safe."
        )
    if any(mark in text for mark in _REFUSED):
        return MachineError(f"The store {path} cannot be opened for writing: make the file and its folder writable.")
    if isinstance(error, duckdb.OutOfMemoryException):
        return MachineError(f"DuckDB's memory limit is too small for this step on {path}: raise OHLCV_DUCKDB_MEMORY.")
    if any(mark in text for mark in _DAMAGED):
        return StoreError(
            f"The store {path} is damaged or is no DuckDB file: move it away and load the days again; the day files "
            "hold everything."
        )
    return StoreError(f"The store {path} could not carry out a step: {first_line}")
