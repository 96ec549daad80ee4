"""Files of days, made while other things are done for the same load.

What belongs here: making them in a thread, no more of them than there is memory for. What does not: what becomes of
them (``loading``), their bytes (``tsm``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from threading import Condition, Thread
from types import TracebackType
from typing import Final, Self

import pyarrow as pa

from ohlcv_assets.stores.influxdb.tsm.encoding import FilePlan, TsmFile, trade_files
from ohlcv_assets.stores.influxdb.tsm.index import MOST_BYTES

_SHARE: Final = 3
"""A third of the memory is for the file that is being made, the rest for those that wait to be sent."""


@dataclass
class Going:
    """A day on its way.

    Attributes
    ----------
    day
        UTC.
    tables
        ``STORED``, sorted by (symbol, ts).
    expected
        How many trades.
    loaded
        How many are there.
    """

    day: dt.date
    tables: Iterable[pa.Table]
    expected: int
    loaded: int = 0


class Making:
    """The files of some days; as a context manager they are made while it lasts, and iterated over once.

    What was yielded counts as waiting until ``sent``. No file is begun while more wait than there is room for, unless
    somebody waits for the next.

    Parameters
    ----------
    days
        In order.
    memory
        Bytes for files that wait and the one that is made.
    threads
        Pieces encoded at a time.
    """

    def __init__(self, days: Sequence[Going], memory: int, threads: int = 1) -> None:
        self.days = days
        most = memory // _SHARE
        self.room = memory - most
        self._plan = FilePlan(most_bytes=min(MOST_BYTES, most), threads=threads)
        self._made: list[tuple[Going, TsmFile]] = []
        self._bytes = 0
        self._wanted = self._over = False
        self._error: BaseException | None = None
        self._change = Condition()
        self._thread = Thread(target=self._make, name="files", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        with self._change:
            self._over = True
            self._change.notify_all()
        self._thread.join()

    def __iter__(self) -> Iterator[tuple[Going, TsmFile]]:
        """Yield files with their days; an error in making one comes where it would have come."""
        while True:
            with self._change:
                self._wanted = True
                self._change.notify_all()
                self._change.wait_for(lambda: self._made or self._over)
                self._wanted = False
                if not self._made:
                    if self._error is not None:
                        raise self._error
                    return
                made = self._made.pop(0)
            yield made

    def sent(self, size: int) -> None:
        """Give room back."""
        with self._change:
            self._bytes -= size
            self._change.notify_all()

    def _make(self) -> None:
        """Make one file after another."""
        try:
            for going in self.days:
                for file in trade_files(going.tables, self._plan):
                    with self._change:
                        self._made.append((going, file))
                        self._bytes += file.size
                        self._change.notify_all()
                        self._change.wait_for(self._may_go_on)
                        if self._over:
                            return
        except BaseException as error:  # noqa: BLE001 -- whoever iterates gets it
            self._error = error
        finally:
            with self._change:
                self._over = True
                self._change.notify_all()

    def _may_go_on(self) -> bool:
        return self._over or self._bytes <= self.room or (self._wanted and not self._made)
