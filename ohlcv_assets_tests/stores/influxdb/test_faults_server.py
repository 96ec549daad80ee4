"""Bad days of a server: killed, without room, without memory; each ends in exactly the right content."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ohlcv_assets.errors import StoreUnavailableError
from ohlcv_assets.progress import Observer, Progress, nobody
from ohlcv_assets.stores.influxdb.trades import InfluxTradeStore
from ohlcv_assets_tests.server_fixtures import RAN_ON, SKIPPED
from ohlcv_assets_tests.servers import NoServerError, OwnServer, influxd, made_layout
from ohlcv_assets_tests.stores.influxdb.stores import held, plan, trade_store
from ohlcv_assets_tests.stores.made import FIRST, batches, made_day, promise, rows_of

pytestmark = pytest.mark.integration

PER_SYMBOL = 10_000


@contextmanager
def limited(request: pytest.FixtureRequest, folder: Path | None = None, **more: Any) -> Iterator[OwnServer]:
    """Run a server of the test's own under limits, or skip; Any: arguments of ``influxd``."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(influxd(folder, **more))
        except NoServerError as error:
            pytest.skip(f"{SKIPPED}{error}")
        request.node.user_properties.append((RAN_ON, f"{server.version} ({server.kind})"))
        yield server


@contextmanager
def opened(server: OwnServer, **changes: Any) -> Iterator[InfluxTradeStore]:
    """Open a store in fresh buckets; Any: fields of LoadPlan."""
    store = trade_store(server, made_layout(server), plan(**{"batch_lines": 1_000, "deadline": 60.0, **changes}))
    yield store
    store.close()


def load(store: InfluxTradeStore, seed: int = 1, observer: Observer = nobody) -> dict[str, float | int | str]:
    """Replace the first day and return the figures of the load."""
    table = made_day(FIRST, PER_SYMBOL, seed=seed)
    return dict(store.replace_day(promise(FIRST, table, str(seed)), batches(table), observer).detail)


class Halfway:
    """Comes to be as soon as some of a load was stored, and most of it was not."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def __call__(self, event: Progress) -> None:
        """Take notice of how far a load is."""
        if event.stage == "load" and event.done > 0:
            self._event.set()

    def wait(self) -> None:
        """Wait for it."""
        assert self._event.wait(120)


def require_exactly(store: InfluxTradeStore, seed: int = 1) -> None:
    """Fail unless the store holds exactly what an undisturbed load leaves."""
    assert sorted(held(store)) == sorted(rows_of(made_day(FIRST, PER_SYMBOL, seed=seed)))
    record = store.day_records()[FIRST]
    assert (record.state, record.content_hash, record.rows) == ("clean", str(seed), 3 * PER_SYMBOL)


@pytest.mark.parametrize("carrier", ["native", "client"])
def test_a_server_killed_during_a_load(own_server: OwnServer, carrier: str) -> None:
    """A load outlasts SIGKILL of the server: it waits, goes on after the restart, and nothing is lost or doubled."""
    with opened(own_server, carrier=carrier, rows_per_second=15_000) as store:
        load(store, seed=0)
        story: dict[str, float | int | str] = {}
        halfway = Halfway()
        loader = threading.Thread(target=lambda: story.update(load(store, observer=halfway)))
        loader.start()
        halfway.wait()
        own_server.kill()
        time.sleep(0.5)
        own_server.start()
        loader.join()
        require_exactly(store)
        assert int(story["retries"]) > 0
        assert float(story["seconds_lost"]) > 0


def test_a_server_killed_while_nobody_is_patient(own_server: OwnServer) -> None:
    """A load that gives up before the server is back leaves a dirty day, and running it again heals it."""
    with opened(own_server, rows_per_second=15_000, deadline=1.0) as store:
        halfway = Halfway()

        def kill() -> None:
            halfway.wait()
            own_server.kill()

        with ThreadPoolExecutor(1) as pool:
            killed = pool.submit(kill)
            with pytest.raises(StoreUnavailableError, match="nothing is lost"):
                load(store, observer=halfway)
            killed.result()
        own_server.start()
        assert store.day_records()[FIRST].state == "dirty"
        load(store)
        require_exactly(store)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """Mount a disk of 96 MB; skip where that is not permitted."""
    with tempfile.TemporaryDirectory(prefix="ohlcv-disk-") as folder:
        command = ["mount", "-t", "tmpfs", "-o", "size=96m", "none", folder]
        if shutil.which("mount") is None or subprocess.run(command, check=False, capture_output=True).returncode != 0:
            pytest.skip("NOT TESTED: a full disk under the server, since mounting a small one is not permitted here")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_under_the_server(request: pytest.FixtureRequest, small_disk: Path) -> None:
    """Without room the load gives up with one sentence, and with room again the same load leaves exactly the day."""
    with limited(request, small_disk) as server, opened(server, deadline=2.0) as store:
        load(store, seed=0)
        ballast = small_disk / "ballast"
        free = os.statvfs(small_disk)
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, free.f_bavail * free.f_frsize - 300_000))
        with pytest.raises(StoreUnavailableError, match="nothing is lost"):
            load(store)
        ballast.unlink()
        server.restart()
        load(store)
        require_exactly(store)


def test_a_server_that_may_keep_little_in_memory(request: pytest.FixtureRequest) -> None:
    """A server that refuses writes beyond its memory ceiling slows the load down and does not fail it."""
    flags = ["--storage-cache-max-memory-size=600000", "--storage-cache-snapshot-memory-size=150000"]
    with limited(request, flags=flags, GOMEMLIMIT="128MiB") as server, opened(server) as store:
        story = load(store)
        require_exactly(store)
        assert int(story["overloads"]) > 0


def test_a_server_that_dies_of_its_memory_limit(request: pytest.FixtureRequest) -> None:
    """A server that a memory limit kills in the middle of a load is started again without, and the load goes on."""
    if shutil.which("prlimit") is None:
        pytest.skip("NOT TESTED: a server that dies of its memory limit, since there is no prlimit here")
    with limited(request, GOGC="400") as server, opened(server, rows_per_second=15_000) as store:
        halfway = Halfway()
        loader = threading.Thread(target=load, args=(store, 1, halfway))
        loader.start()
        halfway.wait()
        # No further page may be mapped from now on: the runtime ends the process at its next allocation.
        subprocess.run(["prlimit", f"--pid={server.pid}", "--as=1000000"], check=True)
        assert server.process is not None
        server.process.wait(timeout=120)
        server.start()
        loader.join()
        require_exactly(store)
        assert "out of memory" in server.log() or "cannot allocate memory" in server.log()
