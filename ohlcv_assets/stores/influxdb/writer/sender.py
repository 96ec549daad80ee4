"""One sender: takes batches, sends each until it is acknowledged, slows down and waits as the server needs it.

What belongs here: what follows from the outcome of a request. What does not: threads (``load``), what an outcome means
(``failures``), the request itself (``carriers``).

    acknowledged            next batch
    too large               the batch goes in two
    rejected, access        the whole write stops
    overload                fewer requests in flight, wait, the same bytes again
    transient               wait, the same bytes again
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NoReturn

from ohlcv_assets.logs import get_logger
from ohlcv_assets.stores.influxdb.failures import Failure, error_of, failure_of_exception, failure_of_reply
from ohlcv_assets.stores.influxdb.writer.breaker import Breaker
from ohlcv_assets.stores.influxdb.writer.carriers import Carrier, compressed
from ohlcv_assets.stores.influxdb.writer.clock import Clock
from ohlcv_assets.stores.influxdb.writer.concurrency import Gate, Limit
from ohlcv_assets.stores.influxdb.writer.halt import Halt, Halted
from ohlcv_assets.stores.influxdb.writer.ledger import Batch, Ledger
from ohlcv_assets.stores.influxdb.writer.queue import BatchQueue
from ohlcv_assets.stores.influxdb.writer.retry import Patience, pause
from ohlcv_assets.stores.influxdb.writer.story import Meter
from ohlcv_assets.units import Nanos

POLL: Final = 0.05
"""Seconds between looks at a breaker that somebody else is probing."""

CANARY_MEASUREMENT: Final = "canary"
_DAY: Final = 86_400
_NANOS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Target:
    """Where a write goes and what it is for.

    Attributes
    ----------
    server
        Address, for errors.
    bucket
        Where the lines go.
    canary_bucket
        Where the canary goes.
    doing
        To follow "could not" in errors.
    gzipped
        Whether bodies are compressed.
    guards
        Called before every request; an OSError stands for a request that failed.
    canary_at
        Instant of the canary, near which its bucket has points: one on its own would have the server make a shard, and
        a shard that cannot be made, for lack of room, is given up until the server is restarted. Today where None.
    """

    server: str
    bucket: str
    canary_bucket: str
    doing: str
    gzipped: bool
    guards: tuple[Callable[[], None], ...] = ()
    canary_at: Nanos | None = None


@dataclass(slots=True)
class Parts:
    """What the senders of one write share.

    Attributes
    ----------
    told
        Called after every acknowledgement.
    rejections
        Why the server refused data; several senders may learn of it before all have stopped.
    too_large
        Bytes of the smallest batch that was refused for its size.
    """

    carrier: Carrier
    clock: Clock
    halt: Halt
    queue: BatchQueue
    ledger: Ledger
    limit: Limit
    gate: Gate
    breaker: Breaker
    patience: Patience
    meter: Meter
    told: Callable[[], None]
    rejections: list[Failure] = field(default_factory=list)
    too_large: float = float("inf")


class Sender:
    """Sends batches from the queue until there are no more or the write stops."""

    def __init__(self, target: Target, parts: Parts) -> None:
        self._target = target
        self._parts = parts
        self._log = get_logger("stores")

    def run(self) -> None:
        """Send; an error stops the whole write and is kept for the thread that called it."""
        try:
            while (batch := self._parts.queue.get()) is not None:
                self._deliver(batch)
        except Halted:
            pass
        except BaseException as error:  # noqa: BLE001 -- whatever it is, it is raised again in the calling thread
            self._parts.halt.stop(error)

    def _deliver(self, batch: Batch) -> None:
        if batch.size >= self._parts.too_large and batch.rows > 1:
            self._in_two(batch)
            return
        wire = compressed(batch.body) if self._target.gzipped else batch.body
        while True:
            self._await_turn()
            failure, started = self._attempt(batch, wire)
            if failure is None:
                return
            if failure.kind == "too large" and batch.rows > 1:
                self._parts.too_large = min(self._parts.too_large, batch.size)
                del wire
                self._in_two(batch)
                return
            self._recover(batch, failure, started)

    def _attempt(self, batch: Batch, wire: bytes) -> tuple[Failure | None, float]:
        """Send once; return what went wrong, and when it began."""
        parts = self._parts
        with parts.gate.passage():
            parts.ledger.sent(batch)
            parts.meter.sent(len(wire), again=batch.attempts > 1)
            started = parts.clock.now()
            failure = self._send(self._target.bucket, wire, gzipped=self._target.gzipped)
            now = parts.clock.now()
            if failure is None:
                slower = parts.limit.acknowledged(started, now)
            else:
                slower = failure.kind == "overload" and parts.limit.overloaded(started, now)
        if slower:
            parts.meter.count("slowdowns")
        if failure is None:
            self._acknowledge(batch, started, now)
        return failure, started

    def _acknowledge(self, batch: Batch, started: float, now: float) -> None:
        parts = self._parts
        parts.meter.acknowledged(now - started)
        parts.patience.succeeded(now)
        parts.breaker.passed()
        parts.ledger.acknowledged(batch)
        parts.queue.release(batch.size)
        parts.told()

    def _in_two(self, batch: Batch) -> None:
        parts = self._parts
        parts.meter.count("splits")
        for half in parts.ledger.split(batch):
            self._deliver(half)

    def _recover(self, batch: Batch, failure: Failure, started: float) -> None:
        """Wait before a batch of unknown outcome is sent again, or raise what nothing can be done about."""
        parts = self._parts
        parts.ledger.failed(batch)
        if failure.kind not in {"transient", "overload"}:
            parts.rejections.append(failure)
            self._give_up(failure)
        if failure.kind == "overload":
            parts.meter.count("overloads")
        now = parts.clock.now()
        if parts.breaker.failed(now, parts.clock.draw()):
            self._log.warning("InfluxDB fails: waiting", doing=self._target.doing, failure=str(failure))
        remaining = self._remaining(failure, started, now)
        seconds = pause(failure, batch.attempts, parts.clock.draw(), remaining)
        if failure.retry_after is not None:
            parts.breaker.hold(now + seconds)
        self._wait(seconds)

    def _await_turn(self) -> None:
        """Return once the breaker lets a batch through."""
        parts = self._parts
        while True:
            parts.halt.check()
            now = parts.clock.now()
            turn = parts.breaker.turn(now)
            if turn == "send":
                return
            if turn == "probe":
                self._probe()
                continue
            remaining = parts.patience.remaining(now)
            if remaining <= 0 and parts.patience.last is not None:
                self._give_up(parts.patience.last)
            self._wait(max(POLL, min(parts.breaker.wait(now), remaining)))

    def _probe(self) -> None:
        """Send a canary: one harmless point, the same each time."""
        parts, day = self._parts, self._target.canary_at
        if day is None:
            day = Nanos(int(parts.clock.epoch()) // _DAY * _DAY * _NANOS)
        started = parts.clock.now()
        body = f"{CANARY_MEASUREMENT} alive=1i {day}\n".encode()
        failure = self._send(self._target.canary_bucket, body, gzipped=False)
        now = parts.clock.now()
        if failure is None or failure.kind not in {"transient", "overload"}:
            # Any verdict shows a server at work; if it is a bad one the next batch will hear the same.
            parts.breaker.probed(now, parts.clock.draw(), passed=True)
            self._log.info("InfluxDB takes a canary: going on", doing=self._target.doing)
            return
        parts.breaker.probed(now, parts.clock.draw(), passed=False)
        remaining = self._remaining(failure, started, now)
        if failure.retry_after is not None:
            parts.breaker.hold(now + min(failure.retry_after, remaining))

    def _send(self, bucket: str, body: bytes, *, gzipped: bool) -> Failure | None:
        """Make one request; return what went wrong."""
        try:
            for guard in self._target.guards:
                guard()
        except OSError as error:
            return failure_of_exception(error)
        outcome = self._parts.carrier.send(bucket, body, gzipped=gzipped)
        if isinstance(outcome, Failure):
            return outcome
        return None if outcome.passed else failure_of_reply(outcome, self._parts.clock.epoch())

    def _remaining(self, failure: Failure, started: float, now: float) -> float:
        """Return the seconds until the deadline, or give up where it is over."""
        self._parts.patience.failed(failure, started)
        remaining = self._parts.patience.remaining(now)
        if remaining <= 0:
            self._give_up(failure)
        return remaining

    def _give_up(self, failure: Failure) -> NoReturn:
        raise error_of(failure, self._target.doing, self._target.server)

    def _wait(self, seconds: float) -> None:
        self._parts.clock.wait(self._parts.halt.event, seconds)
        self._parts.halt.check()
