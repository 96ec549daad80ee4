"""Answers about trades that no restore has disturbed.

What belongs here: looking at the marks before and after a question, waiting, asking again. What does not: the marks
(``leasing.closings``), sending a question (``asking``).

A question costs one look: what was seen after the last one serves as what is seen before this one, as long as it is
not old. A question whose span meets no shard that was closed meanwhile has its answer, whatever happens elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from ohlcv_assets.errors import StoreBusyError, StoreQueryError
from ohlcv_assets.stores.influxdb.leasing.closings import Closings, Seen, Span
from ohlcv_assets.stores.influxdb.leasing.holders import described
from ohlcv_assets.units import DAY

Answer = TypeVar("Answer")

PATIENCE: Final = 60.0
"""Seconds to ask again: longer than a lease lasts whose holder is gone, and its grace."""

PAUSE: Final = 0.02
"""Seconds between looks while a shard is closed: most are for less than half of one."""

FRESH: Final = 2.0
"""Seconds for which a look serves. An older one would do, but a restore since then would cost a question."""

NARROW: Final = 8 * DAY
"""Longer spans than that are asked about in parts once they were disturbed."""

TRIES: Final = 2
"""How often a longer span is asked about whole."""


class DisturbedError(StoreQueryError):
    """A long span was disturbed again and again; its parts may not be."""


class Steady:
    """Asks until nothing was disturbed; safe to use from several threads.

    Parameters
    ----------
    closings
        The marks of the bucket that is asked about.
    sleep
        How to wait; tests pass one that does not.
    """

    def __init__(self, closings: Closings, sleep: Callable[[float], None] = time.sleep) -> None:
        self._closings = closings
        self._watch = closings.watch()
        self._sleep = sleep
        self._last: Seen | None = None

    def ask(self, question: Callable[[], Answer], span: Span, name: str) -> Answer:
        """Return the answer to a question.

        Parameters
        ----------
        question
            Asks; it may be asked more than once.
        span
            What it is about.
        name
            What it is called in errors.

        Raises
        ------
        DisturbedError
            Ask about smaller parts.
        StoreBusyError
            A shard was closed again and again, or for longer than our patience.
        """
        until = time.monotonic() + PATIENCE
        before = self._open(span, self._recent(), name, until)
        tries = 0
        while True:
            failure: StoreQueryError | None = None
            try:
                answer = question()
            except StoreQueryError as error:
                failure = error
            after = self._look()
            if after.of(span) == before.of(span) and after.closed(span) is None:
                if failure is not None:
                    raise failure
                return answer
            tries += 1
            if span[1] - span[0] > NARROW and tries >= TRIES:
                raise DisturbedError(f"The query {name!r} was disturbed by days that are being loaded in bulk.")
            before = self._open(span, after, name, until)

    def _open(self, span: Span, seen: Seen, name: str, until: float) -> Seen:
        """Wait until no shard of a span is closed, and return what was seen then."""
        while True:
            lease = seen.closed(span)
            if time.monotonic() >= until:
                who = "Somebody loads into" if lease is None else described(lease)
                raise StoreBusyError(
                    f"{who} the shards that the query {name!r} is about, and the server leaves them out of answers "
                    f"meanwhile; that did not end within {PATIENCE:g} s: wait for it, then run the same again."
                )
            if lease is None:
                return seen
            self._sleep(PAUSE)
            seen = self._look()

    def _recent(self) -> Seen:
        last = self._last
        return last if last is not None and self._closings.tick() - last.tick < FRESH else self._look()

    def _look(self) -> Seen:
        self._last = self._closings.look(self._watch)
        return self._last
