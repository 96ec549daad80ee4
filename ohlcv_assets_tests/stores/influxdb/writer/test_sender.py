"""What follows from each outcome of a request: one sender, scripted replies, a clock that stands still."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest

from ohlcv_assets.errors import StoreAccessError, StoreRejectedError, StoreUnavailableError
from ohlcv_assets.stores.influxdb.failures import Failure, Reply
from ohlcv_assets.stores.influxdb.writer.breaker import Breaker
from ohlcv_assets.stores.influxdb.writer.concurrency import Gate, Limit
from ohlcv_assets.stores.influxdb.writer.halt import Halt, Halted
from ohlcv_assets.stores.influxdb.writer.ledger import Ledger
from ohlcv_assets.stores.influxdb.writer.queue import BatchQueue
from ohlcv_assets.stores.influxdb.writer.retry import Patience
from ohlcv_assets.stores.influxdb.writer.sender import Parts, Sender, Target
from ohlcv_assets.stores.influxdb.writer.story import Meter
from ohlcv_assets.stores.influxdb.writer.writer import _beginning
from ohlcv_assets.units import Nanos
from ohlcv_assets_tests.stores.influxdb.writer.scripted import (
    BUSY,
    DONE,
    DROPPED,
    FULL,
    LARGE,
    RESET,
    REVOKED,
    SILENCE,
    UNPARSABLE,
    Said,
    Scripted,
    several,
)

pytestmark = pytest.mark.unit


class Bench:
    """One sender with everything that it needs, and some batches."""

    def __init__(
        self, *script: Said, batches: int = 1, rows: int = 4, threshold: int = 5, deadline: float = 600.0
    ) -> None:
        self.carrier = Scripted(list(script))
        self.time = self.carrier.time
        self.told = 0
        limit = Limit(4)
        self.parts = Parts(
            carrier=self.carrier,
            clock=self.time.clock,
            halt=Halt(),
            queue=BatchQueue(1_000_000, 100),
            ledger=Ledger(),
            limit=limit,
            gate=Gate(limit),
            breaker=Breaker(threshold),
            patience=Patience(deadline),
            meter=Meter(),
            told=self._tell,
        )
        self.bodies = [piece.body for piece in several(batches, rows)]
        for piece in several(batches, rows):
            self.parts.queue.put(self.parts.ledger.admit(piece.body, piece.rows))
        self.parts.queue.finish()

    def _tell(self) -> None:
        self.told += 1

    def run(
        self, *, gzipped: bool = False, guards: tuple[Callable[[], None], ...] = (), canary_at: Nanos | None = None
    ) -> None:
        """Let the sender send, and raise what stopped it."""
        target = Target("http://server", "trades", "status", "write a day", gzipped, guards, canary_at)
        Sender(target, self.parts).run()
        if self.parts.halt.error is not None:
            raise self.parts.halt.error

    def figures(self, *names: str) -> list[float]:
        """Return what the meter has counted."""
        found = self.parts.meter.figures()
        return [found[name] for name in names]


def test_acknowledged_batches_leave_nothing_behind() -> None:
    """Each batch is sent once, told of, and its memory given back."""
    bench = Bench(batches=3)
    bench.run()
    assert bench.carrier.bodies() == bench.bodies
    assert (bench.told, bench.parts.queue.held, bench.parts.ledger.rows) == (3, 0, 12)
    assert bench.time.waits == []
    bench.parts.ledger.settle()


@pytest.mark.parametrize(
    "failure", [RESET, SILENCE, FULL, Reply(500, {}, b""), Reply(408, {}, b""), Reply(503, {}, b"")]
)
def test_unknown_outcomes_are_sent_again_byte_by_byte(failure: Said) -> None:
    """Whatever may or may not have been stored is sent again, the same bytes, after a wait that grows."""
    bench = Bench(failure, failure, failure)
    bench.run()
    assert bench.carrier.bodies() == bench.bodies * 4
    assert bench.time.waits == pytest.approx([0.05, 0.1, 0.2])
    assert bench.figures("requests", "retries") == [4, 3]
    assert bench.parts.patience.lost(bench.time.at) == pytest.approx(0.4 + 0.35)


@pytest.mark.parametrize(("failure", "limit", "overloads"), [(RESET, 4, 0), (SILENCE, 2, 1), (FULL, 2, 1)])
def test_only_overload_slows_down(failure: Said, limit: int, overloads: int) -> None:
    """Time-outs and a server's words for overload halve the requests in flight; a lost connection does not."""
    bench = Bench(failure)
    bench.run()
    assert bench.parts.limit.value == limit
    assert bench.figures("overloads", "slowdowns") == [overloads, overloads]


def test_retry_after_is_honoured_by_everybody() -> None:
    """The server's wish is waited for, and holds the breaker for all senders."""
    bench = Bench(BUSY)
    bench.run()
    assert bench.time.waits[0] == pytest.approx(7.05)
    assert bench.parts.breaker.wait(1000.1) == pytest.approx(7.05)


def test_no_success_until_the_deadline_ends_the_write() -> None:
    """Trying goes on for as long as the plan says, and then names what happened last."""
    bench = Bench(*[SILENCE] * 500, threshold=1000, deadline=60.0)
    with pytest.raises(StoreUnavailableError, match=r"http://server could not write a day \(no answer in time\)"):
        bench.run()
    assert 1060.0 <= bench.time.at < 1061.0


def test_any_success_renews_the_deadline() -> None:
    """A server that takes a batch now and then is never given up."""
    script: list[Said] = [*[SILENCE] * 9, DONE] * 4
    bench = Bench(*script, batches=4, threshold=99, deadline=45.0)
    bench.run()
    assert bench.time.at > 1060.0
    assert bench.parts.ledger.rows == 16


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (REVOKED, StoreAccessError, "OHLCV_INFLUX_TOKEN"),
        (Reply(403, {}, b'{"message":"insufficient permissions for write"}'), StoreAccessError, "influx doctor"),
        (Reply(404, {}, b'{"message":"bucket not found"}'), StoreAccessError, "bucket not found"),
        (DROPPED, StoreRejectedError, "field type conflict dropped=2"),
        (UNPARSABLE, StoreRejectedError, "unable to parse a line"),
    ],
)
def test_what_waiting_cannot_help_stops_at_once(reply: Reply, error: type[Exception], words: str) -> None:
    """Refused data and missing rights end the write with the first reply, and with the server's words."""
    bench = Bench(reply, batches=3)
    with pytest.raises(error, match=words):
        bench.run()
    assert len(bench.carrier.sent) == 1
    assert bench.parts.halt.event.is_set()


def test_too_large_bodies_go_in_halves_and_are_not_tried_again() -> None:
    """A 413 cuts the batch until it fits, and later batches of that size are cut beforehand."""
    bench = Bench(LARGE, LARGE, batches=2, rows=4)
    bench.run()
    sizes = [body.count(b"\n") for body in bench.carrier.bodies()]
    assert sizes == [4, 2, 1, 1, 1, 1, 1, 1, 1, 1]
    assert b"".join(bench.carrier.bodies()[2:]) == b"".join(bench.bodies)
    assert bench.figures("splits", "retries") == [6, 0]
    assert (bench.parts.ledger.rows, bench.parts.queue.held) == (8, 0)
    bench.parts.ledger.settle()


def test_a_single_line_that_is_too_large_is_refused() -> None:
    """What cannot be cut any more fails, with the reason."""
    bench = Bench(LARGE, rows=1)
    with pytest.raises(StoreRejectedError, match="413 too large"):
        bench.run()


def test_compression_is_for_the_wire_only() -> None:
    """Compressed bodies hold the same lines, the same bytes every time, and are counted as they are sent."""
    bench = Bench(RESET, rows=200)
    bench.run(gzipped=True)
    assert {compressed for _, _, compressed in bench.carrier.sent} == {True}
    first, second = bench.carrier.bodies()
    assert first == second
    assert gzip.decompress(first) == bench.bodies[0]
    assert bench.figures("network_bytes") == [2 * len(first)]
    assert bench.parts.ledger.bytes == len(bench.bodies[0]) > len(first)


def test_the_breaker_opens_and_a_canary_closes_it() -> None:
    """After failures in a row nothing is sent but one harmless point, until that has come through."""
    bench = Bench(*[RESET] * 3, RESET, threshold=3)
    bench.run()
    assert [bucket for bucket, _, _ in bench.carrier.sent] == [*["trades"] * 3, "status", "status", "trades"]
    canaries = bench.carrier.bodies("status")
    assert set(canaries) == {b"canary alive=1i 1699920000000000000\n"}
    assert (bench.parts.breaker.openings, bench.parts.breaker.state) == (1, "closed")


def test_a_canary_goes_where_points_are() -> None:
    """On a full disk a server cannot make a shard for it, and would not try again before it is restarted."""
    bench = Bench(*[RESET] * 3, threshold=3)
    bench.run(canary_at=Nanos(5))
    assert set(bench.carrier.bodies("status")) == {b"canary alive=1i 5\n"}
    assert _beginning("2024-01-01") == 1_704_067_200 * 10**9
    assert _beginning("a few trades") is None


@pytest.mark.parametrize("verdict", [REVOKED, DROPPED, LARGE])
def test_any_verdict_on_the_canary_shows_a_server_at_work(verdict: Reply) -> None:
    """A canary that is refused tells that the server answers; the next batch hears the reason if it is a bad one."""
    bench = Bench(*[RESET] * 3, verdict, threshold=3)
    bench.run()
    assert bench.parts.ledger.rows == 4


def test_a_canary_may_be_told_to_wait() -> None:
    """Retry-After on a canary is honoured, but no longer than the deadline."""
    bench = Bench(*[RESET] * 3, BUSY, Reply(503, {"retry-after": "9999"}, b""), threshold=3, deadline=60.0)
    bench.run()
    assert 7.0 in [pytest.approx(wait) for wait in bench.time.waits]
    assert max(bench.time.waits) < 60.0


def test_canaries_that_fail_until_the_deadline_end_the_write() -> None:
    """A server that stays away is given up with the breaker open too."""
    bench = Bench(*[RESET] * 99, threshold=2, deadline=30.0)
    with pytest.raises(StoreUnavailableError, match="could not write a day"):
        bench.run()
    assert 1030.0 <= bench.time.at < 1031.0
    assert len(bench.carrier.bodies()) == 2


def test_waiting_for_another_sender_ends_with_the_deadline() -> None:
    """A sender that waits behind the breaker gives up by itself when the time is over."""
    bench = Bench(deadline=5.0)
    bench.parts.patience.failed(RESET, 990.0)
    for _ in range(5):
        bench.parts.breaker.failed(1000.0, 0.5)
    with pytest.raises(StoreUnavailableError, match="ConnectionResetError"):
        bench.run()
    assert bench.carrier.sent == []


def test_a_guard_is_asked_before_every_request() -> None:
    """What a guard raises stops the write and comes through; an OSError is a request that failed."""
    asked: list[int] = []

    def guard() -> None:
        asked.append(len(asked))
        if len(asked) == 2:
            raise OSError("for a moment")
        if len(asked) == 4:
            raise RuntimeError("lost")

    bench = Bench(batches=4)
    with pytest.raises(RuntimeError, match="lost"):
        bench.run(guards=(lambda: None, guard))
    assert bench.carrier.bodies() == bench.bodies[:2]
    assert bench.figures("requests", "retries") == [4, 1]


def test_a_stopped_write_sends_nothing_more() -> None:
    """A sender that was waiting goes home when somebody else has failed."""
    bench = Bench(RESET)

    def stop(_event: object, _seconds: float) -> None:
        bench.parts.halt.stop(ValueError("elsewhere"))

    bench.parts.clock = type(bench.parts.clock)(now=lambda: 0.0, wait=stop)
    with pytest.raises(ValueError, match="elsewhere"):
        bench.run()
    assert len(bench.carrier.sent) == 1


def test_the_first_error_is_kept() -> None:
    """Later errors are consequences of the first."""
    halt = Halt()
    closed: list[str] = []
    halt.also(lambda: closed.append("queue"))
    halt.check()
    halt.stop(ValueError("first"))
    halt.stop(ValueError("second"))
    assert str(halt.error) == "first"
    assert closed == ["queue", "queue"]
    with pytest.raises(Halted):
        halt.check()


def test_bugs_come_through() -> None:
    """An error that nobody expected stops the write too, unchanged."""

    def bug(_bucket: str, _body: bytes) -> Failure:
        raise ZeroDivisionError("bug")

    bench = Bench(bug)
    with pytest.raises(ZeroDivisionError, match="bug"):
        bench.run()
