"""Time that passes when told to, and a carrier that follows a script."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from ohlcv_assets.stores.influxdb.failures import Failure, Reply
from ohlcv_assets.stores.influxdb.lineprotocol.lines import Lines
from ohlcv_assets.stores.influxdb.writer.clock import Clock

DONE = Reply(204, {}, b"")
RESET = Failure("transient", None, "connection failed (ConnectionResetError)")
SILENCE = Failure("overload", None, "no answer in time")
BUSY = Reply(503, {"retry-after": "7"}, b'{"message":"busy"}')
FULL = Reply(500, {}, b'{"message":"unexpected error writing points to database: cache-max-memory-size exceeded"}')
LARGE = Reply(413, {}, b'{"message":"too large"}')
DROPPED = Reply(422, {}, b'{"message":"partial write: field type conflict dropped=2"}')
UNPARSABLE = Reply(400, {}, b'{"message":"unable to parse \'trades,symbol=A\': missing fields"}')
REVOKED = Reply(401, {}, b'{"message":"unauthorized access"}')

Outcome = Reply | Failure
Said = Outcome | Callable[[str, bytes], Outcome]


@dataclass
class Time:
    """A clock that stands still but for waiting and what a test adds to it."""

    at: float = 1000.0
    waits: list[float] = field(default_factory=list)

    def wait(self, _event: threading.Event, seconds: float) -> None:
        """Let the seconds pass at once."""
        self.waits.append(seconds)
        self.at += seconds

    @property
    def clock(self) -> Clock:
        """The clock; every draw is one half."""
        return Clock(now=lambda: self.at, wait=self.wait, draw=lambda: 0.5, epoch=lambda: 1_700_000_000.0)


@dataclass
class Scripted:
    """A carrier whose outcomes are written down beforehand; everything passes once the script has ended."""

    script: list[Said] = field(default_factory=list)
    time: Time = field(default_factory=Time)
    latency: float = 0.1
    sent: list[tuple[str, bytes, bool]] = field(default_factory=list)
    aborts: int = 0
    closes: int = 0

    def send(self, bucket: str, body: bytes, *, gzipped: bool) -> Outcome:
        """Take the next outcome."""
        self.sent.append((bucket, body, gzipped))
        self.time.at += self.latency
        said = self.script.pop(0) if self.script else DONE
        return said(bucket, body) if callable(said) else said

    def abort(self) -> None:
        """Count."""
        self.aborts += 1

    def close(self) -> None:
        """Count."""
        self.closes += 1

    def bodies(self, bucket: str = "trades") -> list[bytes]:
        """Return what was sent to a bucket."""
        return [body for to, body, _ in self.sent if to == bucket]


def lines_of(number: int, rows: int = 10, first: int = 0) -> Lines:
    """Return one body of trades with instants of its own."""
    start = (first + number * rows) + 1_704_067_200_000_000_000
    text = "".join(f"trades,symbol=A price=1.5,amount=2,side=1i {start + row}\n" for row in range(rows))
    return Lines(text.encode(), rows)


def several(count: int, rows: int = 10) -> list[Lines]:
    """Return bodies."""
    return [lines_of(number, rows) for number in range(count)]


def threads() -> list[str]:
    """Return the names of senders that are alive."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("write-")]


def failing(good: Iterable[Lines], error: BaseException) -> Iterator[Lines]:
    """Yield some bodies, then raise."""
    yield from good
    raise error
