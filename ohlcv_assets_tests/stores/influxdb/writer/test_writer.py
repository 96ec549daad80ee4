"""Whole writes, with threads: everything acknowledged, or an error and nobody left behind."""

from __future__ import annotations

import contextvars
import os
import signal
import threading
from collections.abc import Iterator

import pytest

from ohlcv_assets.errors import StoreAccessError, StoreRejectedError, StoreUnavailableError
from ohlcv_assets.progress import Progress
from ohlcv_assets.stores.influxdb.connection import Address, Connection
from ohlcv_assets.stores.influxdb.failures import Reply
from ohlcv_assets.stores.influxdb.lineprotocol.lines import Lines
from ohlcv_assets.stores.influxdb.writer import LoadPlan, Writer, WriteStory
from ohlcv_assets.stores.influxdb.writer.plan import CarrierName, Compression
from ohlcv_assets_tests.servers import Server
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake
from ohlcv_assets_tests.stores.influxdb.writer.scripted import (
    DONE,
    DROPPED,
    RESET,
    REVOKED,
    SILENCE,
    Outcome,
    Said,
    Scripted,
    failing,
    several,
    threads,
)

pytestmark = pytest.mark.unit

ADDRESS = Address("http://influx.example.com:1", "org")
CARRIERS: list[CarrierName] = ["native", "client"]


def scripted(*script: Said, plan: LoadPlan | None = None) -> tuple[Writer, Scripted]:
    """Return a writer of one connection that follows a script, and its carrier."""
    carrier = Scripted(list(script))
    given = LoadPlan(connections=1) if plan is None else plan
    return Writer(Connection(ADDRESS), given, carrier=carrier, clock=carrier.time.clock), carrier


def write(writer: Writer, lines: list[Lines] | Iterator[Lines], **more: object) -> WriteStory:
    """Write to the bucket of trades."""
    return writer.write("trades", lines, doing="write a day", subject="day", expected=40, **more)  # type: ignore[arg-type] # options as they come


def held(server: Fake, bucket: str = "first") -> int:
    """Count the points that a fake server holds."""
    return len(server.faults.held.bucket(bucket).shelf)


@pytest.fixture(autouse=True)
def _nobody_is_left() -> Iterator[None]:
    yield
    assert threads() == []


def test_the_story_tells_what_happened() -> None:
    """Rows, bytes, requests and retries are those of this write, and kept for whoever asks later."""
    writer, carrier = scripted(RESET, SILENCE)
    story = write(writer, several(4))
    size = sum(len(piece.body) for piece in several(4))
    assert (story.rows, story.bytes, story.batches, story.requests, story.retries) == (40, size, 4, 6, 2)
    assert (story.overloads, story.peak_in_flight, story.breaker_openings) == (1, 1, 0)
    assert 0 < story.latency_p50 <= story.latency_p99 <= story.latency_max
    assert story.seconds_lost > 0
    assert writer.story is not None
    assert writer.story.rows == 40
    assert carrier.bodies()[-1] == several(4)[-1].body


def test_observers_see_acknowledged_rows_grow_to_the_total() -> None:
    """One event follows each acknowledgement, in order, with figures that are plain numbers."""
    events: list[Progress] = []
    writer, _ = scripted(RESET)
    write(writer, several(4), observer=events.append, unit="bars", stage="bars")
    assert [event.done for event in events] == [10, 20, 30, 40]
    last = events[-1]
    assert (last.stage, last.subject, last.total, last.unit) == ("bars", "day", 40, "bars")
    assert {"retries", "in_flight", "connections", "latency_p99", "cpu_seconds", "peak_memory"} <= set(last.detail)
    assert all(isinstance(value, int | float) for value in last.detail.values())


def test_nothing_to_write_is_written() -> None:
    """Without lines there is no request, no thread and no event."""
    events: list[Progress] = []
    writer, carrier = scripted()
    assert write(writer, [Lines(b"", 0)], observer=events.append).requests == 0
    assert (carrier.sent, events) == ([], [])


def test_an_error_of_the_lines_comes_through() -> None:
    """What the caller's own iterator raises is raised, whatever has been sent by then."""
    writer, _ = scripted()
    with pytest.raises(LookupError, match="mine"):
        write(writer, failing(several(3), LookupError("mine")))


def test_an_error_of_the_observer_comes_through() -> None:
    """An observer that raises, though it must not, stops the write instead of being swallowed by a thread."""

    def observe(_event: Progress, /) -> None:
        raise LookupError("observer")

    writer, _ = scripted()
    with pytest.raises(LookupError, match="observer"):
        write(writer, several(3), observer=observe)


def test_the_first_fatal_error_stops_all_and_the_writer_is_good_again() -> None:
    """A revoked token ends the write with what was sent; the next write begins afresh."""
    writer, carrier = scripted(DONE, REVOKED)
    with pytest.raises(StoreAccessError, match="401"):
        write(writer, iter(several(500)))
    assert len(carrier.sent) == 2
    assert writer.story is not None
    assert writer.story.rows == 10
    assert write(writer, several(4)).rows == 40


def test_everything_that_was_dropped_is_named() -> None:
    """Two batches that lose points at the same time are both in the error."""
    both = threading.Barrier(2)
    words = iter(["price dropped=1", "amount dropped=2"])

    def reject(_bucket: str, _body: bytes) -> Outcome:
        text = next(words)
        both.wait(10)
        return Reply(422, {}, f'{{"message":"{text}"}}'.encode())

    writer, _ = scripted(reject, reject, plan=LoadPlan(connections=2))
    with pytest.raises(StoreRejectedError, match=r"(price dropped=1; amount dropped=2|amount.*; price dropped=1)"):
        write(writer, several(2))


def test_the_same_words_are_said_once() -> None:
    """Many batches with one reason give one reason."""
    writer, _ = scripted(DROPPED)
    with pytest.raises(StoreRejectedError) as caught:
        write(writer, several(4))
    assert str(caught.value).count("dropped=2") == 1


def test_what_the_server_bears_is_remembered() -> None:
    """A write after overload begins with as many requests as the one before it ended with."""
    writer, carrier = scripted(SILENCE, SILENCE, plan=LoadPlan(connections=8))
    seen: list[float] = []
    write(writer, several(1), observer=lambda event: seen.append(float(event.detail["connections"])))
    carrier.script = [RESET]
    write(writer, several(1), observer=lambda event: seen.append(float(event.detail["connections"])))
    assert seen == [2, 2]


def test_rows_a_second_are_kept_below_the_limit() -> None:
    """The thread that makes bodies waits, and the story says how long."""
    writer, carrier = scripted(plan=LoadPlan(connections=1, rows_per_second=17))
    carrier.latency = 0.0
    story = write(writer, several(3))
    assert story.throttled_seconds == pytest.approx(10 / 17 + 10 / 17)


def test_log_lines_of_senders_carry_the_callers_context() -> None:
    """What is bound in the calling thread is seen by the threads that send."""
    bound: contextvars.ContextVar[str] = contextvars.ContextVar("bound", default="nothing")
    seen: list[str] = []

    def look(_bucket: str, _body: bytes) -> Outcome:
        seen.append(bound.get())
        return DONE

    writer, _ = scripted(look)
    token = bound.set("run 7")
    write(writer, several(1))
    bound.reset(token)
    assert seen == ["run 7"]


def test_the_connections_own_guard_is_asked() -> None:
    """A guarded connection guards what is written over it."""

    def refuse() -> None:
        raise LookupError("guard")

    carrier = Scripted()
    writer = Writer(Connection(ADDRESS).guarded(refuse), LoadPlan(), carrier=carrier)
    with pytest.raises(LookupError, match="guard"):
        write(writer, several(1))
    assert carrier.sent == []


def test_a_repr_says_where_and_how() -> None:
    """A writer shows address and plan, and closes what it has opened."""
    writer, carrier = scripted()
    assert writer.story is None
    assert repr(writer) == f"Writer('{ADDRESS.url}', {LoadPlan(connections=1)})"
    writer.close()
    Writer(Connection(ADDRESS), LoadPlan()).close()
    assert carrier.closes == 1


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_all_lines_arrive_whatever_happens_on_the_way(
    fake_server: Fake, carrier: CarrierName, compression: Compression
) -> None:
    """Resets, half replies, refusals for size and overload, delivery twice: in the end each line is there once."""
    for what in ("reset", "truncate", "refuse", "twice", "close", "reset", "refuse"):
        fake_server.faults.add(what)
    fake_server.faults.add("answer", status=413, skip=1)
    fake_server.faults.add("answer", status=503, headers={"Retry-After": "0"}, skip=2)
    fake_server.faults.add("answer", status=500, body=b'{"message":"timeout"}', skip=3)
    plan = LoadPlan(carrier=carrier, compression=compression, connections=3)
    writer = Writer(fake_server.connect(), plan, status="first")
    story = writer.write("first", several(40), doing="write", subject="day", expected=400)
    writer.close()
    assert (story.rows, held(fake_server)) == (400, 400)
    assert story.retries > 0
    assert story.splits >= 1


@pytest.mark.integration
@pytest.mark.parametrize("carrier", CARRIERS)
def test_lines_arrive_on_any_server(any_server: Server, carrier: CarrierName) -> None:
    """Both carriers write to a real server as they do to the fake one, and a missing bucket is told at once."""
    writer = Writer(any_server.connect(), LoadPlan(carrier=carrier, compression="gzip", connections=2))
    story = writer.write("first", several(6), doing="write", subject="day", expected=60)
    assert (story.rows, story.batches, story.retries) == (60, 6, 0)
    with pytest.raises(StoreAccessError, match=r"404.*influx setup"):
        writer.write("missing", several(6), doing="write", subject="day", expected=60)
    writer.close()


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_server_that_says_nothing_is_given_up(fake_server: Fake, carrier: CarrierName) -> None:
    """Every request hangs: the deadline ends it, and the threads that hang end with it."""
    fake_server.faults.add("swallow", path="/", times=None)
    writer = Writer(fake_server.connect(), LoadPlan(carrier=carrier, timeout=60.0, deadline=0.3))
    with pytest.raises(StoreUnavailableError, match="no answer in time"):
        writer.write("first", iter(several(100)), doing="write", subject="day", expected=1000)
    writer.close()


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Heed Ctrl-C, which a process that a shell started in the background ignores."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
@pytest.mark.parametrize("carrier", CARRIERS)
def test_an_interrupt_ends_requests_that_hang(fake_server: Fake, carrier: CarrierName) -> None:
    """Ctrl-C while the server says nothing comes through without waiting for any time-out."""
    fake_server.faults.add("swallow", path="/", times=None)
    writer = Writer(fake_server.connect(), LoadPlan(carrier=carrier, connections=2, timeout=50.0))

    def interrupt() -> None:
        while fake_server.faults.count("/api/v2/write") < 2:
            over.wait(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    over = threading.Event()
    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        writer.write("first", iter(several(100)), doing="write", subject="day", expected=1000)
    thread.join()
    writer.close()


def test_requests_that_hang_are_broken_off_after_another_batch_failed(
    fake_server: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fatal reply does not wait for its neighbours' time-outs."""
    monkeypatch.setattr("ohlcv_assets.stores.influxdb.writer.load.GRACE", 0.1)
    fake_server.faults.add("swallow")
    fake_server.faults.add("answer", status=401, times=None)
    writer = Writer(fake_server.connect(), LoadPlan(connections=2, timeout=50.0))
    with pytest.raises(StoreAccessError):
        writer.write("first", several(10), doing="write", subject="day", expected=100)
    writer.close()
