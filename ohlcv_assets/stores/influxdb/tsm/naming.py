"""What a file is called in a shard that a server goes on writing to.

What belongs here: names, and the choice of one that the server cannot have given out. What does not: asking which names
there are.

A name is ``<generation>-<sequence>.tsm``, nine digits each; later names hold, by generation before sequence. The server
gives out two kinds (influxdata/influxdb:tsdb/engine/tsm1/compact.go, file_store.go): sequence 1 of a new generation,
above all that it has, for points that leave the cache; and, for files compacted into one, the highest generation among
them with its highest sequence and one more. Sequences taken here begin at ``LOWEST`` in a generation that has no file,
and are ``STRIDE`` or more above all others in one that has: the server would have to compact the same generation as
often before its name is the same. docs/decisions/0005-names-of-bulk-files.md has the whole argument.

Loads join the last generation as long as it has nothing but files of loads: a shard of one generation is left alone by
the planner of compactions, one of several is rewritten.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from ohlcv_assets.errors import StoreError

LOWEST: Final = 100_000_000
"""The lowest sequence that is taken here; the server counts its own from one."""

STRIDE: Final = 10_000
"""Sequences left free above those that a shard has; the server takes one in a second, at most."""

DRAWS: Final = 1_000_000
"""How many numbers a load draws one from, so that it takes no name again that is not listed any more: of a load that
failed, or of a file that was compacted away and that queries still read."""

GAP: Final = 16
"""Generations left free: for points that leave the cache while a name is chosen, so that they stay apart."""

_HIGHEST: Final = 999_999_999
_NAME: Final = re.compile(r"([0-9]{9})-([0-9]{9})\.(?:tsm|tombstone)")


@dataclass(frozen=True, slots=True, order=True)
class FileName:
    """Generation and sequence of a file."""

    generation: int
    sequence: int

    def __str__(self) -> str:
        return f"{self.generation:09d}-{self.sequence:09d}.tsm"


def named(path: str) -> FileName | None:
    """Return generation and sequence of a TSM file or its tombstones; None where it is neither.

    Raises
    ------
    StoreError
        It ends as they do but has another name: nothing could be said of its place.
    """
    name = PurePosixPath(path).name
    if not name.endswith((".tsm", ".tombstone")):
        return None
    found = _NAME.fullmatch(name)
    if found is None:
        raise StoreError(f"The shard has a file called {name!r}, which no server of a known version writes.")
    return FileName(int(found[1]), int(found[2]))


def next_names(paths: Iterable[str], count: int, draw: int) -> list[FileName]:
    """Return names for some files that are loaded together.

    Parameters
    ----------
    paths
        All files of the shard, listed while nobody else loads into it.
    count
        How many names.
    draw
        A random number below ``DRAWS``, another one for each load.

    Raises
    ------
    StoreError
        The shard has run out of generations, or has a file of unknown name.
    """
    known = [name for name in map(named, paths) if name is not None]
    last = max((name.generation for name in known), default=0)
    beside = [name.sequence for name in known if name.generation == last]
    first = max(beside, default=0) + STRIDE + draw
    if not beside or min(beside) < LOWEST or first + count > _HIGHEST:
        last, first = last + GAP, LOWEST + draw
    if last > _HIGHEST:
        raise StoreError("The shard has no generation left above those of its files; load it by line protocol.")
    return [FileName(last, first + place) for place in range(count)]
