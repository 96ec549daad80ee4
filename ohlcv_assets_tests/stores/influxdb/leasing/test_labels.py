"""Labels as marks that several processes agree on."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from ohlcv_assets.errors import StoreAccessError, StoreRejectedError, StoreUnavailableError
from ohlcv_assets.stores.influxdb.leasing.labels import Labels, ServerClock, seconds_since_boot
from ohlcv_assets_tests.servers import Server
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake

pytestmark = pytest.mark.integration


@pytest.fixture
def labels(any_server: Server) -> Iterator[Labels]:
    """Return the labels of a server; those of the test go at its end."""
    connection = any_server.connect()
    found = Labels(connection, ServerClock())
    yield found
    for label in found.all("labels-test/")[0]:
        found.remove(label.id)
    connection.close()


def test_a_label_lives(labels: Labels) -> None:
    """A label is made once, found by name and beginning, changed in parts, and removed once."""
    made = labels.create("labels-test/a", {"one": "1", "two": "2"})
    assert made is not None
    assert labels.create("labels-test/a", {}) is None
    assert labels.create("labels-test/ab", {}) is not None
    assert labels.change(made.id, {"two": "zwei"})
    found, now = labels.named("labels-test/a")
    assert found is not None
    assert (found.id, found.properties) == (made.id, {"one": "1", "two": "zwei"})
    assert [label.name for label in labels.all("labels-test/")[0]] == ["labels-test/a", "labels-test/ab"]
    assert labels.named("labels-test/b")[0] is None
    assert abs(now - time.time()) < 60
    assert labels.remove(made.id)
    assert not labels.remove(made.id)
    assert not labels.change(made.id, {"one": "eins"})


def test_of_many_who_make_a_label_one_succeeds(labels: Labels) -> None:
    """So it is for those who remove one by its id, and all labels are listed, however many."""
    made: list[str] = []
    removed: list[bool] = []

    def race() -> None:
        label = labels.create("labels-test/race", {})
        if label is not None:
            made.append(label.id)
        barrier.wait()
        removed.append(labels.remove(made[0]))

    barrier = threading.Barrier(6)
    threads = [threading.Thread(target=race) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert sorted(removed) == [False] * 5 + [True]
    for number in range(130):
        labels.create(f"labels-test/{number}", {})
    assert len(labels.all("labels-test/")[0]) == 130


def test_the_clock_is_the_servers(labels: Labels) -> None:
    """The server's clock is bounded from above, whatever ours shows."""
    ticks = [1000.0]
    clock = ServerClock(lambda: ticks[0])
    other = Labels(labels._connection, clock)
    known = [clock.known]
    other.ask_the_time()
    known.append(clock.known)
    assert known == [False, True]
    _, now = labels.named("labels-test/x")
    assert now - 3 < clock.latest() <= now + 3
    before = clock.latest()
    ticks[0] += 10
    assert clock.latest() == before + 10


@pytest.mark.unit
def test_ticks_without_a_clock_that_goes_on_in_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere than on Linux the monotonic clock has to do."""
    assert seconds_since_boot() <= seconds_since_boot()
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    assert abs(seconds_since_boot() - time.monotonic()) < 60


@pytest.mark.unit
def test_other_refusals_are_errors(fake_server: Fake) -> None:
    """A refusal that is no conflict is no sign of another holder; missing rights name the remedy."""
    labels = Labels(fake_server.connect(patience=0), ServerClock())
    labels.ask_the_time()
    fake_server.faults.add("answer", path="/api/v2/labels", status=422, body=b'{"code":"unprocessable entity"}')
    with pytest.raises(StoreRejectedError, match="could not make a lease"):
        labels.create("a", {})
    fake_server.faults.add("answer", path="/api/v2/labels", status=401)
    with pytest.raises(StoreAccessError, match="OHLCV_INFLUX_TOKEN"):
        labels.create("a", {})


@pytest.mark.unit
def test_brisk_requests_are_not_repeated(fake_server: Fake) -> None:
    """Whoever renews does not wait: one attempt, and others follow later anyway."""
    connection = fake_server.connect()
    labels = Labels(connection, ServerClock())
    made = labels.create("a", {})
    assert made is not None
    fake_server.faults.add("answer", path="/api/v2/labels", status=503, times=None)
    with pytest.raises(StoreUnavailableError):
        labels.change(made.id, {}, brisk=True)
    assert fake_server.faults.count("/api/v2/labels", 503) == 1
    connection.close()
