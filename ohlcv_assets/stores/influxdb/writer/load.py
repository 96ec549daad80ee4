"""One write from its first body to its last acknowledgement.

What belongs here: its threads, how they begin and how they end. What does not: what a sender does (``sender``).

The calling thread makes the bodies, by iterating over them; as many threads as there are connections send. None of
them outlives the call, whatever happens: senders that sit in a request are woken by breaking off their connections.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from ohlcv_assets.errors import StoreRejectedError, StoreUnavailableError
from ohlcv_assets.progress import Observer, Progress
from ohlcv_assets.stores.influxdb.failures import error_of
from ohlcv_assets.stores.influxdb.lineprotocol.lines import Lines
from ohlcv_assets.stores.influxdb.writer.breaker import Breaker
from ohlcv_assets.stores.influxdb.writer.carriers import Carrier
from ohlcv_assets.stores.influxdb.writer.clock import Clock
from ohlcv_assets.stores.influxdb.writer.concurrency import Gate, Limit
from ohlcv_assets.stores.influxdb.writer.halt import Halt, Halted
from ohlcv_assets.stores.influxdb.writer.ledger import Ledger
from ohlcv_assets.stores.influxdb.writer.plan import LoadPlan
from ohlcv_assets.stores.influxdb.writer.queue import BatchQueue
from ohlcv_assets.stores.influxdb.writer.retry import Patience
from ohlcv_assets.stores.influxdb.writer.sender import Parts, Sender, Target
from ohlcv_assets.stores.influxdb.writer.story import Meter, WriteStory
from ohlcv_assets.stores.influxdb.writer.throttle import throttle_of
from ohlcv_assets.stores.influxdb.writer.usage import ClientUsage, ServerUsage

GRACE: Final = 2.0
"""Seconds that requests under way may take to end by themselves after an error."""

ABORTING: Final = 0.05
"""Seconds between attempts to break requests off."""

WAITING_PER_CONNECTION: Final = 2
"""Batches that wait for each connection: enough to bridge the reading of a row group."""

SPARE_FAILURES: Final = 4
"""Failures beyond one for each connection until the breaker opens: one hiccup fails all requests under way."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What observers are told that a write is about.

    Attributes
    ----------
    stage, name, expected, unit
        See ``Progress``.
    """

    stage: str
    name: str
    expected: int
    unit: str


class Load:
    """One write; used once.

    Parameters
    ----------
    plan
        How.
    target
        Where to.
    subject
        What observers are told.
    observer
        Who watches; called from the senders' threads, one at a time.
    carrier
        Who takes bodies to the server.
    limit
        How many requests may be in flight.
    server
        The server's processor time and memory.
    clock
        Time and chance.
    """

    def __init__(
        self,
        plan: LoadPlan,
        target: Target,
        subject: Subject,
        observer: Observer,
        *,
        carrier: Carrier,
        limit: Limit,
        server: ServerUsage,
        clock: Clock,
    ) -> None:
        self._plan = plan
        self._target = target
        self._subject = subject
        self._observer = observer
        self._server = server
        self._client = ClientUsage()
        self._started = clock.now()
        self._telling = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._running = 0
        self._ended = threading.Condition()
        self._parts = Parts(
            carrier=carrier,
            clock=clock,
            halt=Halt(),
            queue=BatchQueue(plan.memory, WAITING_PER_CONNECTION * plan.connections),
            ledger=Ledger(),
            limit=limit,
            gate=Gate(limit),
            breaker=Breaker(plan.connections + SPARE_FAILURES),
            patience=Patience(plan.deadline),
            meter=Meter(),
            told=self._tell,
        )
        self._parts.halt.also(self._parts.queue.close)
        self._parts.halt.also(self._parts.gate.close)

    def run(self, lines: Iterable[Lines]) -> None:
        """Send everything and return once all of it is acknowledged; see ``Writer.write`` for what it raises."""
        halt = self._parts.halt
        try:
            self._feed(lines)
            self._until_ended(None)
        except Halted:
            pass
        except BaseException as error:
            halt.stop(error)
            raise
        finally:
            self._go_home()
        if halt.error is not None:
            raise self._in_full(halt.error)
        self._parts.ledger.settle()

    def story(self) -> WriteStory:
        """Return what has happened so far."""
        parts = self._parts
        now = parts.clock.now()
        self._client.sample()
        return WriteStory(
            rows=parts.ledger.rows,
            bytes=parts.ledger.bytes,
            batches=parts.ledger.batches,
            seconds=now - self._started,
            seconds_lost=parts.patience.lost(now),
            breaker_openings=parts.breaker.openings,
            peak_in_flight=parts.gate.peak,
            peak_held=parts.queue.peak,
            throttled_seconds=parts.meter.throttled,
            cpu_seconds=self._client.cpu_seconds(),
            peak_memory=self._client.peak,
            server_cpu_seconds=self._server.cpu_seconds(),
            server_memory=self._server.memory(),
            **parts.meter.figures(),
        )

    def _feed(self, lines: Iterable[Lines]) -> None:
        parts = self._parts
        limit = self._plan.rows_per_second
        throttle = None if limit is None else throttle_of(limit)
        for piece in lines:
            if piece.rows == 0:
                continue
            if throttle is not None:
                seconds = throttle.delay(piece.rows, parts.clock.now())
                parts.meter.throttled += seconds
                parts.clock.wait(parts.halt.event, seconds)
            parts.halt.check()
            parts.queue.put(parts.ledger.admit(piece.body, piece.rows))
            if len(self._threads) < self._plan.connections:
                self._start()
        parts.queue.finish()

    def _start(self) -> None:
        # What is bound to log lines of the calling thread is bound to those of the senders.
        context = contextvars.copy_context()
        name = f"write-{len(self._threads) + 1}"
        thread = threading.Thread(target=context.run, args=(self._send,), name=name, daemon=True)
        with self._ended:
            self._running += 1
        self._threads.append(thread)
        thread.start()

    def _send(self) -> None:
        try:
            Sender(self._target, self._parts).run()
        finally:
            with self._ended:
                self._running -= 1
                self._ended.notify_all()

    def _until_ended(self, seconds: float | None) -> bool:
        """Wait for the senders; not by joining threads, which an interrupt can leave in a wrong state."""
        with self._ended:
            return self._ended.wait_for(lambda: self._running == 0, seconds)

    def _go_home(self) -> None:
        """See that all senders end: by themselves at first, unless the user waits or nothing answers anyway."""
        error = self._parts.halt.error
        patient = error is None or (isinstance(error, Exception) and not isinstance(error, StoreUnavailableError))
        try:
            self._until_ended(GRACE if patient else 0.0)
        finally:
            while not self._until_ended(ABORTING):
                self._parts.carrier.abort()
        for thread in self._threads:
            thread.join()

    def _in_full(self, error: BaseException) -> BaseException:
        """Return the error with everything that the server said about refused data."""
        said = list(dict.fromkeys(failure.message for failure in self._parts.rejections))
        if not isinstance(error, StoreRejectedError) or len(said) < 2:  # noqa: PLR2004 -- several
            return error
        whole = replace(self._parts.rejections[0], message="; ".join(said))
        return error_of(whole, self._target.doing, self._target.server)

    def _tell(self) -> None:
        with self._telling:
            detail = self.story().detail()
            detail |= {"in_flight": self._parts.gate.inside, "connections": self._parts.limit.value}
            subject = self._subject
            done = int(detail["rows"])
            self._observer(Progress(subject.stage, subject.name, done, subject.expected, subject.unit, detail))
