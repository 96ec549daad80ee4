"""Opening what the user names: folders, plain files, gzip, and archives with several members.

What belongs here: finding files, decompressing, reading text in blocks that end at a line's end, saying which file is
damaged. What does not: what is in the lines.
"""

from __future__ import annotations

import gzip
import hashlib
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

import numpy as np

from ohlcv_assets.errors import ImportFileError

BLOCK_BYTES: Final = 16 << 20
"""Text read at a time: bounds the memory of an import, changes nothing in its result."""

_MOST_LINE: Final = 64 << 20
_SUFFIXES: Final = (".csv", ".txt", ".json", ".jsonl", ".ndjson", ".parquet", ".gz", ".zip")
_GZIP: Final = b"\x1f\x8b"
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Member:
    """One thing to read rows from: a file, or a member of an archive.

    Attributes
    ----------
    path
        The file on disk.
    name
        Its own name, without folders and without ``.gz``: what a symbol may be taken from.
    where
        What to call it in messages: the path, and the member where there are several.
    opened
        Opens it for reading decompressed bytes.
    """

    path: Path
    name: str
    where: str
    opened: Callable[[], IO[bytes]]


@dataclass(frozen=True)
class Block:
    """Some whole lines, the number of the first of them, from 1, and how many there are."""

    data: bytes
    line: int
    lines: int


def files_of(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Return the files that paths stand for: files as given, folders by their data files at any depth, sorted.

    Raises
    ------
    ImportFileError
        A path that does not exist, a folder without data files, a file given twice, or no path at all.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.is_file() and _is_data(file))
            if not inside:
                raise ImportFileError(f"The folder {path} holds no file ending in {', '.join(_SUFFIXES)}.")
            found.extend(inside)
        elif path.is_file():
            found.append(path)
        else:
            raise ImportFileError(f"There is no file {path}.")
    if not found:
        raise ImportFileError("There is no file to import; name at least one.")
    places: set[Path] = set()
    for file in found:
        if file.resolve() in places:
            raise ImportFileError(f"{file} is named twice; name every file once.")
        places.add(file.resolve())
    return tuple(found)


def members_of(path: Path) -> tuple[Member, ...]:
    """Return what there is to read in a file.

    Raises
    ------
    ImportFileError
        An archive that is damaged or has no data file.
    """
    if path.suffix.lower() == ".zip":
        with damaged(str(path)):
            return _archived(path)
    return (Member(path, _own_name(path), str(path), lambda: _unpacked(str(path), path.open("rb"))),)


def _own_name(path: Path) -> str:
    return path.stem if path.suffix.lower() == ".gz" else path.name


class _Unpacked(gzip.GzipFile):
    """What is in a stream of gzip; closing it closes the stream too."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(fileobj=stream)
        self._stream = stream

    def close(self) -> None:
        super().close()
        self._stream.close()


def _unpacked(where: str, stream: IO[bytes]) -> IO[bytes]:
    """Return what is in a stream of gzip, or the stream itself: browsers unpack downloads and keep the name."""
    with damaged(where):
        packed = stream.read(len(_GZIP)) == _GZIP
        stream.seek(0)
    return cast("IO[bytes]", _Unpacked(stream)) if packed else stream


def _archived(path: Path) -> tuple[Member, ...]:
    with zipfile.ZipFile(path) as archive:
        names = sorted(
            item.filename for item in archive.infolist() if not item.is_dir() and _is_data(Path(item.filename))
        )
    if not names:
        raise ImportFileError(f"The archive {path} holds no file ending in {', '.join(_SUFFIXES)}.")

    def member(name: str) -> Member:
        where = f"{path}, member {name}"
        return Member(path, _own_name(Path(name)), where, lambda: _unpacked(where, zipfile.ZipFile(path).open(name)))

    return tuple(map(member, names))


def _is_data(file: Path) -> bool:
    return file.suffix.lower() in _SUFFIXES and not file.name.startswith(".") and "__MACOSX" not in file.parts


def sha256_of(path: Path) -> str:
    """Return the hex SHA-256 of a file's bytes as they are on disk."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def damaged(where: str) -> Iterator[None]:
    """Turn what broken compression raises into one sentence."""
    try:
        yield
    except (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ImportFileError(f"{where} cannot be decompressed ({error}): fetch it again.") from error


def line_blocks(stream: IO[bytes], where: str, size: int = BLOCK_BYTES) -> Iterator[Block]:
    """Yield a stream of text in blocks of whole lines, a byte order mark left out.

    Raises
    ------
    ImportFileError
        Broken compression, or a line too long to be one of text.
    """
    rest = b""
    line = 1
    first = True
    while True:
        with damaged(where):
            data = stream.read(size)
        if first:
            data, first = data.removeprefix(_BOM), False
        if data == b"":
            break
        data = rest + data
        end = data.rfind(b"\n") + 1
        rest = data[end:]
        if len(rest) > _MOST_LINE:
            raise ImportFileError(
                f"{where} has no line end within {_MOST_LINE >> 20} MB after line {line}: is it text?"
            )
        if end > 0:
            block = Block(data[:end], line, count_of(data, "\n"))
            yield block
            line += block.lines
    if rest:
        yield Block(rest, line, 1)


def count_of(data: bytes, character: str) -> int:
    """Count an ASCII character in UTF-8 text: several times as fast as ``bytes.count`` where there are many."""
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == ord(character)))
