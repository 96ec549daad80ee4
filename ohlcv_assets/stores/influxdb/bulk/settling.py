"""What is left to do after a restore, while something else goes on.

What belongs here: one thread that does it, and waiting for it. What does not: the restore (``sending``).
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from ohlcv_assets.stores.influxdb.leasing.closings import Closing


class Settling:
    """The ends of restores, one after another; as a context manager nothing is left to do at its end."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "settling")
        self._last: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()

    def begin(self, closing: Closing, held: ExitStack) -> None:
        """Take back the mark of a restore that is over, then leave what was held for it."""
        self._last = self._pool.submit(_settle, closing, held)

    def wait(self) -> None:
        """Wait until that is done.

        Raises
        ------
        StoreError
            The mark could not be taken back.
        """
        if self._last is not None:
            self._last.result()


def _settle(closing: Closing, held: ExitStack) -> None:
    with held:
        closing.end()
