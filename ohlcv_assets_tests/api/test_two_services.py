"""Two services on one store: whoever asks or listens at the one sees what was posted to the other."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from ohlcv_assets_tests.api.listening import send
from ohlcv_assets_tests.api.made import set_up_on
from ohlcv_assets_tests.api.posting.made import trade
from ohlcv_assets_tests.api.processes import Serving, columns_equal, serving
from ohlcv_assets_tests.api.sockets import until
from ohlcv_assets_tests.api.test_killed import bars_of
from ohlcv_assets_tests.servers import Server

pytestmark = pytest.mark.integration
ROUTE = "/api/v1/trades"
DAY = "2024-01-04"
MINUTE = 60_000_000_000
TURNS = 8
SECONDS = 60

Bars = dict[int, tuple[float, ...]]
"""Values by open time."""


@dataclass
class Following:
    """A listener of one service: the bars as it has to take them, and the trades it was told of.

    Attributes
    ----------
    bars
        As the snapshot and the updates made them.
    trades
        Instants.
    begun
        Snapshots that came.
    """

    bars: Bars = field(default_factory=dict)
    trades: list[str] = field(default_factory=list)
    begun: int = 0

    def follow(self, connection: ClientConnection) -> None:
        """Take what is told until the connection is closed."""
        numbers: dict[int, int] = {}
        with suppress(ConnectionClosed):
            for text in connection:
                frame: dict[str, Any] = json.loads(text)  # Any: JSON
                if frame["type"] in {"snapshot", "update", "trades"}:
                    following = frame["type"] == "snapshot" or frame["prev"] == numbers[frame["id"]]
                    assert following, "nothing is missing between two"
                    numbers[frame["id"]] = frame["seq"]
                    self._take(frame)
                    self.begun += frame["type"] == "snapshot"

    def _take(self, frame: Mapping[str, Any]) -> None:
        if "bars" in frame:
            columns = frame["bars"]
            rows = zip(*(columns[name] for name in ("o", "h", "l", "c", "n", "i")), strict=True)
            self.bars |= dict(zip(columns["t"], rows, strict=True))
        else:
            self.trades += frame["trades"]["ts"]


@contextmanager
def following(service: Serving) -> Iterator[Following]:
    """Follow a service for as long as the context lasts."""
    found = Following()
    with connect(f"ws://127.0.0.1:{service.port}/api/v1/stream", compression=None) as connection:
        send(connection, op="subscribe", id=1, channel="bars", symbol="BTC-USD", resolution="1m")
        send(connection, op="subscribe", id=2, channel="trades", symbol="BTC-USD")
        thread = threading.Thread(target=found.follow, args=(connection,))
        thread.start()
        until(lambda: found.begun == 2, SECONDS)
        yield found
    thread.join(SECONDS)


@pytest.fixture(name="services", params=["duckdb", "influxdb"])
def _services(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Serving]]:
    """Return two services on one store, as processes; no day is made."""
    given: Mapping[str, object] = {"store": "duckdb"}
    if request.param == "influxdb":
        server: Server = request.getfixturevalue("own_server")
        given = set_up_on(server)
    with ExitStack() as stack:
        one = stack.enter_context(serving(tmp_path / "data", given))
        other = Serving(one.folder, one.given, one.key)
        stack.callback(other.kill)
        other.start()
        yield [one, other]


def shown(service: Serving) -> dict[str, list[Any]]:  # Any: JSON
    """Return the minutes that a service shows."""
    found: dict[str, list[Any]] = service.get(  # Any: as above
        "/api/v1/ohlc", symbol="BTC-USD", resolution="1m", start=DAY, end=DAY
    )["columns"]
    return found


def posted(service: Serving, rows: list[dict[str, Any]]) -> int:  # Any: JSON
    """Post trades until they are taken; return how many are new."""
    while (reply := service.ask("POST", ROUTE, rows)).status == 503:
        time.sleep(0.2)
    assert reply.status == 201, reply.body
    stored: int = reply.document["stored"]
    return stored


def test_each_shows_what_was_posted_to_the_other(services: list[Serving]) -> None:
    """Bars, answers and trades are at both those of all trades, in order and late; and at one that begins later."""
    with ExitStack() as stack:
        followers = [stack.enter_context(following(service)) for service in services]
        count = 0
        for turn in range(TURNS):
            number = turn % 2
            # Both post to the same minutes, now and then to one that is over.
            at = (60 + turn // 2 - (3 if turn % 5 == 4 else 0)) * MINUTE + turn * 1_000
            rows = [trade(at + place * 1_000_000_000, price=40_000 + turn + place) for place in range(5)]
            count += posted(services[number], rows)
        everything = services[0].trades("BTC-USD", DAY)
        assert len(everything) == count == 5 * TURNS
        expected = bars_of(everything)
        for service in services:
            until(lambda service=service: columns_equal_in_length(shown(service), expected), SECONDS)  # type: ignore[misc]
        names = ("o", "h", "l", "c", "n", "i")
        told = dict(zip(expected["t"], zip(*(expected[name] for name in names), strict=True), strict=True))
        for each in followers:
            until(lambda each=each: each.bars == told and len(each.trades) >= count, SECONDS)  # type: ignore[misc]
            assert sorted(each.trades) == sorted(row[0] for row in everything), "each is told of once"
        services[1].kill()
        services[1].start()
        assert columns_equal(shown(services[1]), expected)


def columns_equal_in_length(found: Mapping[str, list[Any]], expected: Mapping[str, list[Any]]) -> bool:
    """Return whether columns are the same, which those of other bars are not."""
    return len(found["t"]) == len(expected["t"]) and columns_equal(found, expected)
