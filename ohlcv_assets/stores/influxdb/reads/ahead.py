"""Having the next item made while the present one is used.

What belongs here: one item ahead, in one thread. What does not: what the items are.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar, cast

Item = TypeVar("Item")

_END: Final = object()


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Yield items, each asked for while its forerunner is used.

    A reader who stops early waits for the item that is being made; no thread outlives the iteration. An error comes
    through where its item would have come.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:
        coming = thread.submit(next, items, _END)
        while (item := coming.result()) is not _END:
            coming = thread.submit(next, items, _END)
            yield cast("Item", item)
