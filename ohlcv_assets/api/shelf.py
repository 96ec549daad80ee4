"""Answers about ranges that are proved, kept as the bytes they were sent as.

What belongs here: keeping and finding them, within a bound of memory. What does not: which may be kept (``closed``).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

Key = tuple[bytes, ...]

_OVERHEAD: Final = 500
"""Bytes counted for an entry beside its body."""

_SHARE: Final = 8
"""No entry takes more than this part of the whole."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer.

    Attributes
    ----------
    route
        Template of its route.
    headers, body
        As sent.
    etag
        Its tag, one of the headers.
    """

    route: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    etag: str


class Shelf:
    """Answers by request, the least used going first; to be used from one thread.

    Parameters
    ----------
    most
        Bytes in all.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self._kept: OrderedDict[Key, Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Key) -> Kept | None:
        """Return what is kept of a request."""
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def put(self, key: Key, kept: Kept) -> None:
        """Keep an answer, unless it is so large that it would push out too many others."""
        size = _size(key, kept)
        if size * _SHARE > self._most:
            return
        before = self._kept.pop(key, None)
        self._held += size - (0 if before is None else _size(key, before))
        self._kept[key] = kept
        while self._held > self._most:
            old_key, old = self._kept.popitem(last=False)
            self._held -= _size(old_key, old)

    def clear(self) -> None:
        """Forget all of them."""
        self._kept.clear()
        self._held = 0


def _size(key: Key, kept: Kept) -> int:
    return len(kept.body) + sum(map(len, key)) + _OVERHEAD
