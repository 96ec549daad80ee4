"""The names in a tar that is still on its way.

What belongs here: heads of members, the rest skipped. What does not: what members hold (``tsm.archives``).
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterable
from typing import Final

_BLOCK: Final = tarfile.BLOCKSIZE
_EMPTY: Final = bytes(_BLOCK)


class IncompleteError(ValueError):
    """What came is no tar, or not all of one."""


def names_in(pieces: Iterable[bytes]) -> list[str]:
    """Return the paths of a tar's files, in memory of a piece or two.

    Parameters
    ----------
    pieces
        The tar, cut anywhere.

    Raises
    ------
    IncompleteError
        It is no tar, or an incomplete one: a server that fails on the way says so in what should be the next member.
    """
    names: list[str] = []
    held, skipped, ended = b"", 0, False
    for piece in pieces:
        if skipped >= len(piece):
            skipped -= len(piece)
            continue
        held += piece[skipped:]
        skipped = 0
        while len(held) >= _BLOCK:
            head, held = held[:_BLOCK], held[_BLOCK:]
            if head == _EMPTY:
                ended = True
                continue
            if ended:
                raise _incomplete()
            member = _member(head)
            if member.isreg():
                names.append(member.name)
            size = -(-member.size // _BLOCK) * _BLOCK
            skipped = max(0, size - len(held))
            held = held[size:]
    if not ended or held or skipped:
        raise _incomplete()
    return names


def _member(head: bytes) -> tarfile.TarInfo:
    try:
        return tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.TarError as error:
        raise _incomplete() from error


def _incomplete() -> IncompleteError:
    return IncompleteError("the backup of a shard is no tar, or an incomplete one")
