"""A service that is killed while it keeps the lease of its days between commits: another one goes on."""

from __future__ import annotations

import itertools
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from ohlcv_assets.influx_parts import influx_layout
from ohlcv_assets.settings import load_settings
from ohlcv_assets.stores.influxdb.leasing.holders import KEPT, Terms
from ohlcv_assets.stores.influxdb.leasing.labels import Label
from ohlcv_assets.stores.influxdb.leasing.leases import Leases
from ohlcv_assets_tests.api.made import set_up_on
from ohlcv_assets_tests.api.posting.made import trade
from ohlcv_assets_tests.api.processes import Serving, serving
from ohlcv_assets_tests.api.sockets import until
from ohlcv_assets_tests.api.test_killed import LANES, ROWS, Poster, Trades, require_bars_of_trades
from ohlcv_assets_tests.servers import Server

pytestmark = pytest.mark.integration
DAY = "2024-01-04"
FAR = 86_400
"""Seconds: a lease that ends then is not waited for."""

NEAR = 3
"""Seconds: one that ends then is."""


@pytest.fixture(name="services")
def _services(own_server: Server, tmp_path: Path) -> Iterator[list[Serving]]:
    """Return two services on one real server, each a process of its own."""
    with ExitStack() as stack:
        one = stack.enter_context(serving(tmp_path / "data", set_up_on(own_server)))
        other = Serving(one.folder, one.given, one.key)
        stack.callback(other.kill)
        other.start()
        yield [one, other]


@contextmanager
def leases_on(server: Server) -> Iterator[Leases]:
    """Give the leases of the bucket that services post to."""
    layout = influx_layout(load_settings(store="influxdb", influx_url=server.url, influx_org=server.org))
    connection = server.connect(size=2, patience=20.0, timeout=20.0)
    try:
        yield Leases(connection, layout.trades.name, Terms())
    finally:
        connection.close()


def kept(leases: Leases) -> list[Label]:
    """Return the labels of leases that somebody keeps."""
    found, _ = leases.labels.all(leases.prefix)
    return [label for label in found if KEPT in label.properties]


def killed_while_it_keeps(service: Serving, leases: Leases, *, busy: bool) -> tuple[list[Poster], Label]:
    """Kill a service in the middle of commits, or between two; return who posted, and what is left of its lease."""
    numbers = itertools.count()
    posters = [Poster(service, numbers) for _ in range(LANES)]
    threads = [threading.Thread(target=poster.post_until_it_fails) for poster in posters]
    if busy:
        for thread in threads:
            thread.start()
        until(lambda: any(poster.acknowledged for poster in posters), 60)
        service.signal(signal.SIGSTOP)
    else:
        post_alone(posters[0], leases)
    (label,) = kept(leases)
    service.kill()
    if busy:
        for thread in threads:
            thread.join(60)
    assert label.properties["mode"] == "writing"
    assert label.properties["pid"] == str(service.pid)
    return posters, label


def post_alone(poster: Poster, leases: Leases) -> None:
    """Post until the service stands still between two commits, its lease kept."""
    for number in itertools.count():
        rows = [trade(1_000_000 * number + at) for at in range(ROWS)]
        reply = poster.answer_to(f"alone-{number}", rows)
        assert reply is not None
        assert reply.status == 201
        poster.acknowledged.append((f"alone-{number}", rows, reply))
        # It is kept for seconds, but nobody knows how long we took.
        poster.service.signal(signal.SIGSTOP)
        if kept(leases):
            return
        poster.service.signal(signal.SIGCONT)


def require_nothing_lost(service: Serving, posters: list[Poster], more: Trades) -> None:
    """Fail unless all that was acknowledged is shown by a service; what had no answer is completed."""
    for poster in posters:
        for key, rows in poster.unsure:
            reply = Poster(service, itertools.count()).answer_to(key, rows)
            assert reply is not None
            assert reply.status in {200, 201}
    stored = {(ts, price) for ts, price, _, _ in service.trades("BTC-USD", DAY)}
    told = 0
    for poster in posters:
        for _, rows, reply in poster.acknowledged:
            told += len(rows)
            pairs = zip(reply.document["columns"]["ts"], (row["price"] for row in rows), strict=True)
            assert set(pairs) <= stored
        told += sum(len(rows) for _, rows in poster.unsure)
    assert len(stored) == told + len(more)
    require_bars_of_trades(service)


@pytest.mark.parametrize("busy", [False, True])
def test_another_of_this_machine_goes_on_at_once(own_server: Server, services: list[Serving], busy: bool) -> None:
    """However long the lease would have lasted: its process is gone, and what it may have sent has arrived."""
    one, other = services
    with leases_on(own_server) as leases:
        posters, label = killed_while_it_keeps(one, leases, busy=busy)
        _, now = leases.labels.all(leases.prefix)
        assert leases.labels.change(label.id, {"expires": str(int(now) + FAR)})
        more = [trade(3_600_000_000_000 + at) for at in range(ROWS)]
        reply = Poster(other, itertools.count()).answer_to("after", more)
        assert reply is not None
        assert (reply.status, reply.document["stored"]) == (201, ROWS)
        assert label.id not in {left.id for left in kept(leases)}
        require_nothing_lost(other, posters, more)


def test_another_machine_waits_until_the_lease_is_over(own_server: Server, services: list[Serving]) -> None:
    """Nobody can tell there whether the process still runs."""
    one, other = services
    with leases_on(own_server) as leases:
        posters, label = killed_while_it_keeps(one, leases, busy=True)
        _, now = leases.labels.all(leases.prefix)
        away = {"host": "elsewhere", "place": "another boot of another machine", "expires": str(int(now) + FAR)}
        assert leases.labels.change(label.id, away)
        more = [trade(3_600_000_000_000 + at) for at in range(ROWS)]
        refused = other.ask("POST", "/api/v1/trades", more)
        assert refused.status == 503
        assert "retry-after" in refused.headers
        assert "elsewhere" not in refused.body.decode(), "who is in the way is for the log"
        assert [left.id for left in kept(leases)] == [label.id]
        ends = int(leases.labels.all(leases.prefix)[1]) + NEAR
        assert leases.labels.change(label.id, {"expires": str(ends)})
        reply = Poster(other, itertools.count()).answer_to("after", more)
        assert reply is not None
        assert (reply.status, reply.document["stored"]) == (201, ROWS)
        assert leases.labels.all(leases.prefix)[1] >= ends
        require_nothing_lost(other, posters, more)


def test_a_kill_leaves_nothing_to_clean_up(own_server: Server, services: list[Serving]) -> None:
    """The one that was killed and started again takes turns with the other as before."""
    one, other = services
    with leases_on(own_server) as leases:
        posters, _ = killed_while_it_keeps(one, leases, busy=True)
        one.start()
        more: Trades = []
        for turn, service in enumerate((one, other, one)):
            rows = [trade(3_600_000_000_000 + 1_000 * turn + at) for at in range(ROWS)]
            reply = Poster(service, itertools.count()).answer_to(f"turn-{turn}", rows)
            assert reply is not None
            assert reply.status == 201
            more += rows
        require_nothing_lost(one, posters, more)
        until(lambda: not kept(leases), 60)
