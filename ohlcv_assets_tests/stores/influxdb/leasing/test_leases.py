"""Leases on a server: threads, processes, faults."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ohlcv_assets.errors import StoreAccessError, StoreBusyError
from ohlcv_assets.stores.influxdb.leasing.holders import Terms
from ohlcv_assets.stores.influxdb.leasing.labels import Label
from ohlcv_assets.stores.influxdb.leasing.lease import LeaseOverdueError
from ohlcv_assets.stores.influxdb.leasing.leases import Leases
from ohlcv_assets_tests.servers import Server
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake

pytestmark = pytest.mark.integration

DAY = dt.date(2024, 1, 1)
NEXT = dt.date(2024, 1, 2)
QUICK = Terms(life=30.0, grace=0.2, patience=0.3)

Open = Callable[..., Leases]


@pytest.fixture
def open_leases() -> Iterator[Callable[[Server], Open]]:
    """Return what gives the leases of a scope of the test's own, as another process would have them."""
    scope = f"leases{time.time_ns()}"
    with ExitStack() as stack:

        def on(server: Server) -> Open:
            def open_(terms: Terms = QUICK) -> Leases:
                connection = server.connect(size=2, patience=1.0, timeout=5.0)
                stack.callback(connection.close)
                return Leases(connection, scope, terms)

            return open_

        yield on


def seen(leases: Leases) -> list[tuple[str, str]]:
    """Return what the server shows: what is held and what is done with it."""
    return sorted((label.name.removeprefix(leases.prefix), label.properties["mode"]) for label in all_of(leases))


def all_of(leases: Leases) -> list[Label]:
    """Return all labels of a scope."""
    return leases.labels.all(leases.prefix)[0]


def test_a_day_is_held_and_given_back(any_server: Server, open_leases: Callable[[Server], Open]) -> None:
    """What is held and done shows on the server while it lasts; nothing and no thread is left afterwards."""
    leases = open_leases(any_server)()
    with leases.days([NEXT, DAY, NEXT]) as lease:
        assert seen(leases) == [("day/2024-01-01", "idle"), ("day/2024-01-02", "idle")]
        with lease.deleting():
            assert ("delete", "deleting") in seen(leases)
        with lease.writing():
            assert seen(leases) == [("day/2024-01-01", "writing"), ("day/2024-01-02", "idle")]
        with lease.deleting():
            assert ("day/2024-01-01", "idle") in seen(leases)
        lease.check()
    assert seen(leases) == []
    assert "lease" not in {thread.name for thread in threading.enumerate()}


def test_one_holder_a_day(any_server: Server, open_leases: Callable[[Server], Open]) -> None:
    """Another holder of the day is waited for, then named; other days and other scopes are free."""
    open_ = open_leases(any_server)
    mine, other = open_(), open_()
    elsewhere = Leases(any_server.connect(), f"{mine.scope}more", QUICK)
    with mine.day(DAY) as lease, lease.writing():
        with pytest.raises(StoreBusyError, match=r"Process \d+ on .* writes to 2024-01-01 .* run the same again"):
            elsewhere_and(other, DAY)
        elsewhere_and(other, NEXT)
        with elsewhere.day(DAY) as third, third.deleting():
            pass
    elsewhere_and(other, DAY)


def elsewhere_and(leases: Leases, day: dt.date) -> None:
    """Hold a day and give it back."""
    with leases.day(day):
        pass


def test_deleters_and_writers_exclude_each_other(any_server: Server, open_leases: Callable[[Server], Open]) -> None:
    """Nobody deletes while somebody writes another day, and the other way round; each is named to the other."""
    open_ = open_leases(any_server)
    mine, other = open_(), open_()
    with mine.day(DAY) as writer, other.day(NEXT) as deleter:
        with writer.writing(), pytest.raises(StoreBusyError, match="writes to 2024-01-01"), deleter.deleting():
            pytest.fail("deleted while somebody writes")
        assert ("delete", "deleting") not in seen(mine)
    with mine.day(DAY) as writer, other.day(NEXT) as deleter:
        with deleter.deleting(), pytest.raises(StoreBusyError, match="deletes from the bucket"), writer.writing():
            pytest.fail("wrote while somebody deletes")
        assert ("day/2024-01-01", "idle") in seen(mine)
        assert writer.waited > 0
        with writer.writing():
            pass


def test_an_interrupt_gives_back(any_server: Server, open_leases: Callable[[Server], Open]) -> None:
    """Whatever ends the context, the interrupt of a user included, the lease ends with it."""
    leases = open_leases(any_server)()
    with pytest.raises(KeyboardInterrupt), leases.day(DAY):
        raise KeyboardInterrupt
    assert seen(leases) == []


@pytest.mark.parametrize("mode", ["writing", "deleting"])
def test_what_may_still_arrive_is_waited_for(
    any_server: Server, open_leases: Callable[[Server], Open], mode: str
) -> None:
    """Who leaves requests behind that were not answered ends its lease, and the next one waits the grace out."""
    terms = Terms(life=30.0, grace=0.5, patience=10.0)
    leases, other = open_leases(any_server)(terms), open_leases(any_server)(terms)
    with pytest.raises(KeyboardInterrupt), leases.day(DAY) as lease, getattr(lease, mode)():
        raise KeyboardInterrupt
    assert {found.properties["expires"] for found in all_of(leases)} == {"0"}
    assert mode in dict(seen(leases)).values()
    began = time.monotonic()
    with other.day(NEXT if mode == "deleting" else DAY) as lease, lease.writing():
        assert time.monotonic() - began >= 0.5
        assert lease.waited > 0
    assert seen(leases) == []


def test_retries_may_still_arrive(any_server: Server, open_leases: Callable[[Server], Open]) -> None:
    """The same where all went well in the end, but the first of several attempts was not answered."""
    leases = open_leases(any_server)()
    with leases.day(DAY) as lease, lease.writing():
        lease.unanswered()
    assert seen(leases) == [("day/2024-01-01", "writing")]
    with leases.day(NEXT) as lease, lease.deleting():
        assert seen(leases) == [("day/2024-01-02", "idle"), ("delete", "deleting")]


def test_nobody_waits_for_what_was_not_begun(any_server: Server, open_leases: Callable[[Server], Open]) -> None:
    """Who had to give up before deleting anything gives the right to delete back at once."""
    open_ = open_leases(any_server)
    with open_().day(DAY) as writer, writer.writing(), open_().day(NEXT) as deleter:
        with pytest.raises(StoreBusyError), deleter.deleting():
            pytest.fail("deleted while somebody writes")
        assert ("delete", "deleting") not in seen(open_())


@pytest.mark.parametrize("made", [True, False])
def test_an_interrupt_while_taking_gives_back(
    fake_server: Fake, open_leases: Callable[[Server], Open], monkeypatch: pytest.MonkeyPatch, made: bool
) -> None:
    """A lease whose making was interrupted is given back, if the server made it."""
    leases = open_leases(fake_server)()
    create = leases.labels.create

    def interrupted(name: str, properties: dict[str, str]) -> Label | None:
        if made:
            create(name, properties)
        raise KeyboardInterrupt

    monkeypatch.setattr(leases.labels, "create", interrupted)
    with pytest.raises(KeyboardInterrupt):
        elsewhere_and(leases, DAY)
    assert seen(leases) == []


def test_a_thread_that_cannot_start(
    fake_server: Fake, open_leases: Callable[[Server], Open], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing could renew the lease none is taken, and the reason comes through."""
    leases = open_leases(fake_server)()

    def refused(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            leases.day(DAY).__enter__()
    assert fake_server.faults.count("/api/v2/labels") == 0


def test_a_lost_reply_makes_no_stranger(fake_server: Fake, open_leases: Callable[[Server], Open]) -> None:
    """A lease whose making was answered into the void is recognised as one's own."""
    leases = open_leases(fake_server)()
    leases.labels.ask_the_time()
    fake_server.faults.add("reset", path="/api/v2/labels", method="POST")
    with leases.day(DAY):
        assert seen(leases) == [("day/2024-01-01", "idle")]
    assert seen(leases) == []


def test_what_cannot_be_given_back_ends_by_itself(fake_server: Fake, open_leases: Callable[[Server], Open]) -> None:
    """A server that is away when the lease ends makes no error, and this process knows that it is over."""
    leases = open_leases(fake_server)(Terms(life=60.0, grace=30.0, patience=10.0))
    with leases.day(DAY):
        fake_server.faults.add("answer", path="/api/v2/labels", method="DELETE", times=None)
    fake_server.faults.heal()
    assert seen(leases) == [("day/2024-01-01", "idle")]
    with leases.day(DAY):
        pass
    assert seen(leases) == []


def test_a_lost_reply_does_not_keep_a_lease(fake_server: Fake, open_leases: Callable[[Server], Open]) -> None:
    """Giving back is repeated while the server fails for a moment."""
    leases = open_leases(fake_server)(Terms())
    with leases.day(DAY):
        fake_server.faults.add("answer", path="/api/v2/labels", method="DELETE")
        fake_server.faults.add("refuse", path="/api/v2/labels", method="DELETE")
    assert seen(leases) == []


def test_a_lease_comes_back_after_the_server_was_away(fake_server: Fake, open_leases: Callable[[Server], Open]) -> None:
    """While it cannot be renewed requests have to wait; afterwards it is still ours, and shows what we do."""
    leases = open_leases(fake_server)(Terms(life=2.0, grace=10.0, patience=1.0))
    with leases.day(DAY) as lease, lease.writing():
        fault = fake_server.faults.add("answer", path="/api/v2/labels", times=None)
        wait_until(lambda: raises(lease.check, LeaseOverdueError))
        fake_server.faults.heal()
        wait_until(lambda: not raises(lease.check, LeaseOverdueError))
        assert seen(leases) == [("day/2024-01-01", "writing")]
        assert fault.status == 503
    assert seen(leases) == []


@pytest.mark.parametrize("taken_by_another", [True, False])
def test_a_lease_that_was_taken_stops_its_holder(
    any_server: Server, open_leases: Callable[[Server], Open], taken_by_another: bool
) -> None:
    """A holder whose lease is gone learns it, and may neither write nor delete any more."""
    open_ = open_leases(any_server)
    mine, other = open_(Terms(life=2.0)), open_()
    with ExitStack() as stack:
        lease = stack.enter_context(mine.day(DAY))
        for label in all_of(mine):
            other.labels.remove(label.id)
        if taken_by_another:
            stack.enter_context(other.day(DAY))
        wait_until(lambda: raises(lease.check, StoreBusyError))
        with pytest.raises(StoreBusyError, match=r"lease of 2024-01-01 .* run the same again"), lease.writing():
            pytest.fail("wrote without a lease")
        assert len(all_of(mine)) == taken_by_another
    assert seen(mine) == []


def test_an_overdue_lease_that_was_taken_is_lost(fake_server: Fake, open_leases: Callable[[Server], Open]) -> None:
    """A server that was away and comes back with another holder of the day has taken ours away."""
    open_ = open_leases(fake_server)
    mine, other = open_(Terms(life=2.0)), open_()
    with mine.day(DAY) as lease:
        fake_server.faults.add("answer", path="/api/v2/labels", times=None, method="PATCH")
        fake_server.faults.add("answer", path="/api/v2/labels", times=None, method="DELETE")
        wait_until(lambda: raises(lease.check, LeaseOverdueError))
        fake_server.faults.held.labels.clear()
        with other.day(DAY):
            fake_server.faults.heal()
            # Until our thread has asked the server the lease is overdue and not yet known to be lost.
            wait_until(lambda: raises(lease.check, StoreBusyError, but=(LeaseOverdueError,)))
            assert len(all_of(mine)) == 1


def test_waiting_ends_when_the_lease_is_lost(fake_server: Fake, open_leases: Callable[[Server], Open]) -> None:
    """Whoever waits to write and loses the day meanwhile stops waiting."""
    open_ = open_leases(fake_server)
    mine, other = open_(Terms(life=2.0, patience=30.0)), open_()
    with other.day(NEXT) as deleter, deleter.deleting(), mine.day(DAY) as lease:
        labels = fake_server.faults.held.labels
        gone = next(key for key, label in labels.items() if label["name"].endswith("2024-01-01"))
        del labels[gone]
        with pytest.raises(StoreBusyError, match="taken it over"), lease.writing():
            pytest.fail("wrote without a lease")


def test_rights_are_named(fake_server: Fake, open_leases: Callable[[Server], Open]) -> None:
    """A token that may not make labels is an error with a remedy, at once."""
    leases = open_leases(fake_server)()
    fake_server.faults.add("answer", path="/api/v2/labels", method="POST", status=403, times=None)
    with pytest.raises(StoreAccessError, match="ohlcv influx"):
        elsewhere_and(leases, DAY)


def raises(act: Callable[[], None], kind: type[Exception], but: tuple[type[Exception], ...] = ()) -> bool:
    """Return whether something raises that and not ``but``; what else it raises comes through."""
    try:
        act()
    except kind:
        return True
    except but:
        return False
    return False


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until something holds."""
    until = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


LOADER = """
    import datetime as dt, os, random, sys, time
    from pathlib import Path
    from pydantic import SecretStr
    from ohlcv_assets.stores.influxdb.connection import Address, Connection
    from ohlcv_assets.stores.influxdb.leasing.holders import Terms
    from ohlcv_assets.stores.influxdb.leasing.leases import Leases

    url, org, scope, folder, rounds = sys.argv[1:]
    connection = Connection(Address(url, org, SecretStr(os.environ["TOKEN"])), 2)
    leases = Leases(connection, scope, Terms(life=30, grace=0.5, patience=60))

    def alone(*names):
        # Files that nobody else may have: an exclusive create fails where two are inside.
        paths = [Path(folder, name) for name in names]
        for path in paths:
            path.touch(exist_ok=False)
        time.sleep(random.uniform(0, 0.01))
        for path in paths:
            path.unlink()

    for number in range(int(rounds)):
        day = dt.date(2024, 1, random.choice([1, 2]))
        with leases.day(day) as lease:
            if random.random() < 0.5:
                with lease.deleting():
                    alone("2024-01-01", "2024-01-02")
            with lease.writing():
                if int(rounds) == 1:
                    print("inside", flush=True)
                    sys.stdin.read()
                alone(str(day))
    print("done", flush=True)
"""


def loader(server: Server, scope: str, folder: Path, rounds: int) -> subprocess.Popen[str]:
    """Start a process that holds days."""
    arguments = [server.url, server.org, scope, str(folder), str(rounds)]
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(LOADER), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"TOKEN": server.operator_token},
    )


def test_processes_exclude_each_other(
    real_server: Server, open_leases: Callable[[Server], Open], tmp_path: Path
) -> None:
    """Processes that load and delete at the same time on a real server never meet, and leave nothing behind."""
    leases = open_leases(real_server)()
    loaders = [loader(real_server, leases.scope, tmp_path, 8) for _ in range(3)]
    for process in loaders:
        printed, _ = process.communicate(timeout=120)
        assert printed == "done\n"
        assert process.returncode == 0
    assert list(tmp_path.iterdir()) == []
    assert seen(leases) == []


def test_a_killed_process_is_followed_at_once(
    any_server: Server, open_leases: Callable[[Server], Open], tmp_path: Path
) -> None:
    """The lease of a process that was killed while it wrote is taken long before its time is over."""
    leases = open_leases(any_server)(Terms(life=30.0, grace=0.5, patience=20.0))
    process = loader(any_server, leases.scope, tmp_path, 1)
    assert process.stdout is not None
    assert process.stdout.readline() == "inside\n"
    process.kill()
    process.communicate()
    (_, mode), *_ = seen(leases)
    assert mode == "writing"
    for day in (DAY, NEXT):
        with leases.day(day) as lease, lease.deleting():
            pass
    assert seen(leases) == []
