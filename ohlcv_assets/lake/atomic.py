"""Files and folders that appear whole or not at all.

What belongs here: temporary names, flushing to disk, renaming, clearing what killed writers left, bringing back what
they had set aside. What does not: what is in the files.

A temporary name carries host, process id and the process's start time, so that whoever comes next can tell the
leftovers of a killed writer from the work of a live one, even where a process id has been given out again.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

_FOREIGN_HOST_AGE: Final = 86_400.0
"""Seconds after which a leftover of another host, whose processes cannot be seen, counts as abandoned."""

_CLOCK_SLACK: Final = 200
"""Centiseconds by which one process's start time may be told differently when the machine's clock is set."""

_MADE: Final = "tmp"
_SET_ASIDE: Final = "old"
_NAME: Final = re.compile(
    r"^\.(?P<of>.+)\.(?P<host>[^.]+)\.(?P<pid>\d+)\.(?P<started>\d+)\.\d+\.(?P<kind>tmp|old)$", re.DOTALL
)
_serial = itertools.count()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path``; on success flush it, rename it over ``path`` and flush the folder.

    The folder is made where it is missing; leftovers of killed writers in it are removed. Whatever goes wrong, the
    temporary file is gone afterwards and ``path`` is as it was.
    """
    make_folder(path.parent)
    remove_leftovers(path.parent)
    temporary = path.with_name(temporary_name(path.name))
    try:
        yield temporary
        flush(temporary)
        temporary.replace(path)
        flush(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a small text file atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def replace_folder(new: Path, folder: Path) -> None:
    """Rename a folder over another, which need not exist; a kill in between loses neither: see ``restore_folder``.

    Raises
    ------
    OSError
        It cannot be done; ``folder`` is as it was.
    """
    if not folder.exists():
        new.rename(folder)
        flush(folder.parent)
        return
    aside = folder.with_name(_hidden_name(folder.name, _SET_ASIDE))
    folder.rename(aside)
    try:
        new.rename(folder)
    except BaseException:
        aside.rename(folder)
        raise
    flush(folder.parent)
    _remove(aside)


def restore_folder(folder: Path) -> None:
    """Finish what a process that was killed in ``replace_folder`` left half done.

    A folder that it had set aside comes back where nothing has taken its place, and is removed where something has.
    """
    if not folder.parent.is_dir():
        return
    for entry in sorted(folder.parent.iterdir()):
        owner = _NAME.match(entry.name)
        if owner is None or owner["kind"] != _SET_ASIDE or owner["of"] != folder.name or not _abandoned(entry, owner):
            continue
        if folder.exists():
            _remove(entry)
        else:
            entry.rename(folder)
            flush(folder.parent)


def make_folder(folder: Path) -> None:
    """Make a folder and its missing parents, each flushed into its own parent."""
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for made in missing:
        flush(made.parent)


def flush(path: Path) -> None:
    """Make a file or folder survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def temporary_name(name: str) -> str:
    """Return a hidden name beside ``name`` that says which process owns it."""
    return _hidden_name(name, _MADE)


def _hidden_name(name: str, kind: str) -> str:
    return f".{name}.{_host()}.{os.getpid()}.{_started(os.getpid())}.{next(_serial)}.{kind}"


def remove_leftovers(folder: Path) -> int:
    """Remove temporary files and folders of writers that are gone; return how many there were."""
    removed = 0
    for entry in list(folder.iterdir()):
        owner = _NAME.match(entry.name)
        if owner is not None and owner["kind"] == _MADE and _abandoned(entry, owner):
            removed += 1
            _remove(entry)
    return removed


def _remove(entry: Path) -> None:
    if entry.is_dir():
        shutil.rmtree(entry, ignore_errors=True)
    else:
        entry.unlink(missing_ok=True)


def _abandoned(entry: Path, owner: re.Match[str]) -> bool:
    """Tell whether the process that a name was given by is gone."""
    if owner["host"] != _host():
        try:
            return time.time() - entry.stat().st_mtime > _FOREIGN_HOST_AGE
        except FileNotFoundError:  # its owner has just renamed it
            return False
    started = _started(int(owner["pid"]))
    return started is None or abs(started - int(owner["started"])) > _CLOCK_SLACK


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())


def _started(pid: int) -> int | None:
    """Return when a process started, in centiseconds since the epoch; None where there is none."""
    try:
        return round(psutil.Process(pid).create_time() * 100)
    except psutil.NoSuchProcess:
        return None
