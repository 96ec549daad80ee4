"""``ohlcv serve`` in a process of its own, which may be killed, and clients of it.

What belongs here: starting, stopping and asking. What does not: judging what it answers.
"""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson

from ohlcv_assets.api.keys import FILE, KeyFile
from ohlcv_assets.settings import load_settings, variable
from ohlcv_assets_tests.api.sockets import until
from ohlcv_assets_tests.secrets_guard import keep_secret

START = "from ohlcv_assets.cli import main; raise SystemExit(main())"
JSON = Any
"""A JSON document."""


@dataclass
class Reply:
    """What was answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> JSON:
        """The body as JSON."""
        return orjson.loads(self.body)


@dataclass
class Serving:
    """A service that runs, or that has ended.

    Attributes
    ----------
    folder
        Its data folder.
    given
        Settings.
    key
        One of the role write.
    """

    folder: Path
    given: Mapping[str, object]
    key: str = field(repr=False, default="")
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> list[JSON]:
        """What it logged so far, line by line; what is no JSON is left out."""
        lines = []
        for line in (self.folder / "log.txt").read_bytes().splitlines():
            with suppress(orjson.JSONDecodeError):
                lines.append(orjson.loads(line))
        return lines

    def start(self) -> None:
        """Start it and wait until it answers."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith("OHLCV_")}
        environ |= {variable(name): str(value) for name, value in self.given.items()}
        command = [sys.executable, "-c", START, "--data-dir", str(self.folder), "serve", "--port", "0"]
        path = self.folder / "log.txt"
        seen = path.stat().st_size if path.exists() else 0
        with path.open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environ)
        until(lambda: b"http://127.0.0.1:" in path.read_bytes()[seen:] or self.ended, 60)
        assert not self.ended, path.read_text("utf-8")
        self.port = int(path.read_bytes()[seen:].split(b"http://127.0.0.1:")[1].split(b",")[0])
        until(self._answers, 60)

    @property
    def pid(self) -> int:
        """Process id."""
        assert self.process is not None
        return self.process.pid

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        assert self.process is not None
        return self.process.poll() is not None

    def kill(self) -> None:
        """Kill it where it stands."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self, seconds: float = 30) -> int:
        """Ask it to end, and return how it did."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def ask(self, method: str, path: str, document: object = None, **headers: str) -> Reply:
        """Ask over a connection of its own, with the key."""
        body = None if document is None else orjson.dumps(document)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body, {"X-API-Key": self.key, "Content-Type": "application/json", **given})
            reply = connection.getresponse()
            return Reply(reply.status, {name.lower(): text for name, text in reply.getheaders()}, reply.read())
        finally:
            connection.close()

    def get(self, path: str, **parameters: object) -> JSON:
        """Return an answer, which must be a success."""
        reply = self.ask("GET", f"{path}?{urlencode(parameters)}")
        assert reply.status == 200, reply.body
        return reply.document

    def trades(self, symbol: str, day: str) -> list[tuple[Any, ...]]:  # Any: a row of mixed types
        """Return all trades of a symbol on a day: instant, price, amount, side."""
        rows: list[tuple[Any, ...]] = []
        asked: dict[str, object] = {"symbol": symbol, "start": day, "end": day, "limit": 10_000}
        more: dict[str, object] = {}
        while True:
            page = self.get("/api/v1/trades", **asked, **more)
            rows += zip(*(page["columns"][name] for name in ("ts", "price", "amount", "side")), strict=True)
            if page["next_cursor"] is None:
                return rows
            more = {"cursor": page["next_cursor"]}

    def _answers(self) -> bool:
        if self.ended:
            raise AssertionError((self.folder / "log.txt").read_text("utf-8"))
        with suppress(OSError, http.client.HTTPException):
            return self.ask("GET", "/health").status == 200
        return False


@contextmanager
def serving(folder: Path, given: Mapping[str, object]) -> Iterator[Serving]:
    """Serve a dataset of three days from a process, for as long as the context lasts."""
    folder.mkdir(parents=True, exist_ok=True)
    settings: dict[str, object] = {"start": "2024-01-04", "end": "2024-01-06", "total_trades": 3_000, **given}
    key = keep_secret(KeyFile(load_settings(data_dir=folder).data_dir / FILE).create("a poster", "write")[1])
    service = Serving(folder, settings, key)
    service.start()
    try:
        yield service
    finally:
        service.kill()


def columns_equal(found: Mapping[str, Sequence[Any]], expected: Mapping[str, Sequence[Any]]) -> bool:
    """Return whether columns are the same: whole numbers and prices exactly, sums up to rounding."""
    exact = all(list(found[name]) == list(expected[name]) for name in expected if name not in {"v", "q"})
    sums = [(one, two) for name in ("v", "q") for one, two in zip(found[name], expected[name], strict=True)]
    return exact and all(abs(one - two) <= 1e-9 * abs(two) for one, two in sums)
