"""What the machine refuses, said in one sentence.

What belongs here: turning ``OSError`` into ``MachineError`` and asking how much room is left. What does not: deciding
what to do about it.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ohlcv_assets.errors import MachineError

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_REFUSED: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_NO_FOLDER: Final = frozenset({errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENOTEMPTY})


@contextmanager
def machine_errors(doing: str, where: Path, needed: int | None = None) -> Iterator[None]:
    """Turn an ``OSError`` that carries an error number into a ``MachineError``.

    Parameters
    ----------
    doing
        What was being done, as in ``"write the day file of 2024-03-15"``.
    where
        The file or folder it was done to.
    needed
        Bytes that it takes, as far as anybody knows.

    Raises
    ------
    MachineError
        Saying what could not be done, where, why, and how much room is needed.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise MachineError(_sentence(error.errno, doing, where, needed)) from error


def _sentence(number: int, doing: str, where: Path, needed: int | None) -> str:
    why = os.strerror(number).lower()
    if number in _NO_ROOM:
        room = "" if needed is None else f"; it takes about {megabytes(needed)}"
        return (
            f"Could not {doing} at {where}: {why}{room}, and {megabytes(free_bytes(where))} are free: "
            "make room, raise the file size limit, or choose another data folder."
        )
    if number in _REFUSED:
        return f"Could not {doing} at {where}: {why}: make the folder writable or choose another data folder."
    if number in _NO_FOLDER:
        return f"Could not {doing} at {where}: {why}: something else stands where a folder or file is needed; move it."
    return f"Could not {doing} at {where}: {why}."


def free_bytes(where: Path) -> int:
    """Return the free bytes of the file system that holds a path, which itself need not exist."""
    existing = where.absolute()
    while not existing.is_dir():
        existing = existing.parent
    return shutil.disk_usage(existing).free


def megabytes(size: int) -> str:
    """Return a size as text in megabytes, one decimal."""
    return f"{size / 1e6:,.1f} MB"


def require_room(doing: str, where: Path, needed: int) -> None:
    """Refuse to begin what cannot end for want of room.

    Raises
    ------
    MachineError
        Fewer than ``needed`` bytes are free.
    """
    free = free_bytes(where)
    if free < needed:
        raise MachineError(
            f"Could not {doing} at {where}: it takes about {megabytes(needed)}, and {megabytes(free)} are free: "
            "make room or choose another data folder."
        )
