"""A stand-in for the service: made-up bars in its shapes, one port for pages, HTTP and the live stream.

What belongs here: just as much of the service as a page needs, and switches for its bad days. What does not: rules of
the service itself, which has tests of its own.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

MINUTE: Final = 60_000
DAY: Final = 86_400_000
FIRST: Final = 1_704_067_200_000  # 2024-01-01
LAST: Final = FIRST + 182 * DAY  # 2024-07-01, excluded
DURATIONS: Final = {
    "1m": MINUTE,
    "5m": 5 * MINUTE,
    "15m": 15 * MINUTE,
    "30m": 30 * MINUTE,
    "1h": 60 * MINUTE,
    "2h": 120 * MINUTE,
    "4h": 240 * MINUTE,
    "1d": DAY,
    "1W": 7 * DAY,
    "1M": 30 * DAY,
}
UDF: Final = {"1": "1m", "5": "5m", "15": "15m", "30": "30m", "60": "1h", "1D": "1d"}
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
TYPES: Final = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
SYMBOLS: Final = {
    "AAPL": ("stock", "XNYS", "America/New_York", 187.0),
    "MSFT": ("stock", "XNYS", "America/New_York", 370.0),
    "BTC-USD": ("crypto", "24/7", "Etc/UTC", 42_000.0),
    "ETH-USD": ("crypto", "24/7", "Etc/UTC", 2_300.0),
}
_LETTERS: Final = ("t", "o", "h", "l", "c", "v", "n", "q")

Bar = dict[str, float]


def price(symbol: str, at: int) -> float:
    """Return the price at an instant: waves of several lengths, the same every time."""
    minute = (at - FIRST) / MINUTE
    seed = sum(map(ord, symbol))
    wave = 0.09 * math.sin(minute / 41_000 + seed) + 0.03 * math.sin(minute / 5_300 + seed)
    wave += 0.012 * math.sin(minute / 610 + seed) + 0.005 * math.sin(minute / 97) + 0.0015 * math.sin(minute * 1.7)
    return SYMBOLS[symbol][3] * math.exp(wave)


def trades_in(symbol: str, at: int) -> bool:
    """Return whether a symbol trades at an instant; stocks on weekdays from 14:30 to 21:00 UTC."""
    if SYMBOLS[symbol][1] == "24/7":
        return True
    return (at // DAY + 3) % 7 < 5 and 870 <= at % DAY // MINUTE < 1_260


@cache
def bar_at(symbol: str, resolution: str, at: int) -> Bar:
    """Return the bar that opens at an instant."""
    duration = DURATIONS[resolution]
    opened, closed = price(symbol, at), price(symbol, at + duration - 1)
    spread = opened * 0.0004 * (1 + math.sqrt(duration / MINUTE)) * (1.2 + math.sin(at / MINUTE))
    volume = round(duration / MINUTE * (20 + 12 * math.sin(at / DAY * 6.28)) * (1.5 + math.sin(at / MINUTE * 2.3)), 2)
    numbers = (at, opened, max(opened, closed) + spread, min(opened, closed) - spread, closed)
    bar = dict(zip(_LETTERS, (*(round(number, 2) for number in numbers), volume, int(volume) + 1), strict=False))
    return bar | {"q": round((bar["o"] + bar["c"]) / 2 * volume, 2)}


def bars_between(symbol: str, resolution: str, start: int, end: int) -> list[Bar]:
    """Return the bars that open in a range of the dataset."""
    duration = DURATIONS[resolution]
    first = -(-max(start, FIRST) // duration) * duration
    opens = range(first, min(end, LAST), duration)
    if duration < DAY:
        return [bar_at(symbol, resolution, at) for at in opens if trades_in(symbol, at // MINUTE * MINUTE)]
    return [
        bar_at(symbol, resolution, at) for at in opens if duration > DAY or trades_in(symbol, at + 15 * 60 * MINUTE)
    ]


def reach_of(symbol: str, resolution: str, count: int) -> int:
    """Return a span that has so many bars and one more: longer where there are nights and weekends."""
    around = (count + 2) * DURATIONS[resolution]
    return around if SYMBOLS[symbol][1] == "24/7" else around * 6 + 4 * DAY


def columns(bars: list[Bar]) -> dict[str, list[float]]:
    """Return bars column by column."""
    return {letter: [bar[letter] for bar in bars] for letter in _LETTERS}


@dataclass
class Standin:
    """A running stand-in.

    Attributes
    ----------
    pages
        Folder of the built pages.
    down
        Answer bars with 503.
    streaming
        Take WebSockets; otherwise there is no stream.
    key
        A key that requests for data need; empty for none.
    delay
        Seconds before bars are answered.
    asked
        Addresses that were asked for.
    """

    pages: Path
    down: bool = False
    streaming: bool = True
    key: str = ""
    delay: float = 0.0
    asked: list[str] = field(default_factory=list)
    extra: dict[tuple[str, str], list[Bar]] = field(default_factory=dict)
    _server: Server | None = None
    _listeners: list[tuple[ServerConnection, int, tuple[str, str]]] = field(default_factory=list)
    _seq: int = 0
    _run: int = 0
    port: int = 0

    def start(self) -> None:
        """Listen, on the port of before if there was one."""
        self._run += 1
        self._server = serve(self._stream, "127.0.0.1", self.port, process_request=self._answer, compression=None)
        self.port = int(self._server.socket.getsockname()[1])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Close everything."""
        assert self._server is not None
        self._server.shutdown()
        for connection, _, _ in self._listeners:
            connection.close()
        self._listeners.clear()

    @property
    def url(self) -> str:
        """Address of the page."""
        return f"http://127.0.0.1:{self.port}/"

    def push(self, symbol: str, resolution: str, bar: Bar) -> None:
        """Send a bar to everybody who subscribed to its topic, and have it stored."""
        topic = (symbol, resolution)
        kept = [one for one in self.extra.get(topic, []) if one["t"] != bar["t"]]
        self.extra[topic] = sorted([*kept, bar], key=lambda one: one["t"])
        self._seq += 1
        for connection, number, subscribed in self._listeners:
            if subscribed == topic:
                update = {"type": "update", "id": number, "prev": self._seq - 1, "seq": self._seq}
                connection.send(json.dumps(update | {"bars": columns([bar])}))

    def subscribers(self) -> int:
        """Return how many subscriptions there are."""
        return len(self._listeners)

    def _stream(self, connection: ServerConnection) -> None:
        connection.send(json.dumps({"type": "hello", "protocol": 1, "stream": str(self._run), "heartbeat": 5}))
        try:
            for text in connection:
                self._take(connection, json.loads(text))
        except ConnectionClosed:
            pass
        self._listeners = [one for one in self._listeners if one[0] is not connection]

    def _take(self, connection: ServerConnection, frame: dict[str, Any]) -> None:  # Any: JSON
        if frame["op"] == "subscribe":
            topic = (frame["symbol"], frame["resolution"])
            bars = self._bars(*topic, LAST - reach_of(*topic, 2), LAST + DAY)[-2:]
            head = {"type": "snapshot", "id": frame["id"], "seq": self._seq, "resumed": False}
            connection.send(json.dumps(head | {"symbol": topic[0], "resolution": topic[1], "bars": columns(bars)}))
            self._listeners.append((connection, frame["id"], topic))
        elif frame["op"] == "unsubscribe":
            gone = (connection, frame["id"])
            self._listeners = [one for one in self._listeners if one[:2] != gone]

    def _answer(self, _: ServerConnection, request: Request) -> Response | None:
        self.asked.append(request.path)
        address = urlsplit(request.path)
        asked = {name: values[0] for name, values in parse_qs(address.query).items()}
        path = unquote(address.path)
        if path == "/api/v1/stream" and self.streaming:
            return None
        if path.startswith(("/api/", "/udf/")) and request.headers.get("X-API-Key", "") != self.key:
            return _problem(HTTPStatus.UNAUTHORIZED, "This needs a key: send it as X-API-Key.")
        if path == "/api/v1/symbols":
            return _json(_symbols())
        if path == "/api/v1/ohlc":
            return self._ohlc(asked)
        if path.startswith("/udf/"):
            return self._udf(path.removeprefix("/udf/"), asked)
        return self._file(path)

    def _ohlc(self, asked: dict[str, str]) -> Response:
        time.sleep(self.delay)
        if self.down:
            return _problem(HTTPStatus.SERVICE_UNAVAILABLE, "The store did not answer the question.")
        start, end = int(asked.get("start", FIRST)), int(asked.get("end", LAST + DAY))
        given, reason = _adapted(asked, end - start)
        limit, descending = int(asked["limit"]), asked["order"] == "desc"
        if "cursor" in asked:
            end = int(asked["cursor"])
        reach = reach_of(asked["symbol"], given, limit)
        newest = max((bar["t"] for bar in self.extra.get((asked["symbol"], given), [])), default=0)
        begin = max(start, min(end, max(LAST, int(newest) + 1)) - reach) if descending else start
        found = self._bars(asked["symbol"], given, begin, end)
        page = (found[-limit:] if descending else found[:limit]) if limit < len(found) else found
        more = len(page) < len(found)
        return _json(
            {
                "requested_resolution": asked["resolution"],
                "resolution": given,
                "adapted": given != asked["resolution"],
                "reason": reason,
                "fallback": None,
                "order": asked["order"],
                "truncated": more,
                "next_cursor": str(page[0]["t"]) if more and descending else None,
                "columns": columns(page[::-1] if descending else page),
            }
        )

    def _bars(self, symbol: str, resolution: str, start: int, end: int) -> list[Bar]:
        later = {bar["t"]: bar for bar in self.extra.get((symbol, resolution), []) if start <= bar["t"] < end}
        return list(({bar["t"]: bar for bar in bars_between(symbol, resolution, start, end)} | later).values())

    def _udf(self, name: str, asked: dict[str, str]) -> Response:
        if name == "config":
            answer: object = {
                "supported_resolutions": list(UDF),
                "exchanges": [],
                "symbols_types": [],
                "supports_marks": True,
                "supports_timescale_marks": False,
                "supports_time": True,
            }
        elif name == "symbols":
            if asked["symbol"] not in SYMBOLS:
                return _problem(HTTPStatus.NOT_FOUND, "There is no such symbol.")
            answer = {
                "name": asked["symbol"],
                "ticker": asked["symbol"],
                "intraday_multipliers": ["1", "5", "15", "30"],
            }
        elif name == "search":
            names = [one for one in SYMBOLS if asked.get("query", "").upper() in one]
            empty = {"description": "", "exchange": "", "type": ""}
            answer = [{"symbol": one, "ticker": one, **empty} for one in names]
        elif name == "history":
            answer = self._history(asked)
        else:
            answer = 1_704_465_000
        return _json(answer)

    def _history(self, asked: dict[str, str]) -> dict[str, object]:
        start, to = int(asked["from"]) * 1000, int(asked["to"]) * 1000
        resolution = UDF[asked["resolution"]]
        reach = reach_of(asked["symbol"], resolution, int(asked["countback"]))
        before = self._bars(asked["symbol"], resolution, min(start, min(to, LAST) - reach), to)
        first = next((index for index, bar in enumerate(before) if bar["t"] >= start), len(before))
        bars = before[max(0, min(first, len(before) - int(asked["countback"]))) :]
        if not bars:
            return {"s": "no_data"}
        told = {letter: [bar[letter] for bar in bars] for letter in ("o", "h", "l", "c", "v")}
        return {"s": "ok", "t": [int(bar["t"]) // 1000 for bar in bars], **told}

    def _file(self, path: str) -> Response:
        file = (self.pages / path.lstrip("/")) if path != "/" else self.pages / "index.html"
        if not file.is_file():
            return _problem(HTTPStatus.NOT_FOUND, "There is nothing at this address.")
        return _reply(HTTPStatus.OK, TYPES.get(file.suffix, "text/plain"), file.read_bytes())


def _adapted(asked: dict[str, str], span: int) -> tuple[str, str | None]:
    given = asked["resolution"]
    if asked["adaptive"] == "true":
        for days, coarse in ((365, "1d"), (90, "1h"), (30, "15m")):
            if span > days * DAY and DURATIONS[given] < DURATIONS[coarse] and (days != 30 or given == "1m"):
                return coarse, f"the range is longer than {days} days"
    return given, None


def _symbols() -> dict[str, object]:
    symbols = [
        {
            "symbol": name,
            "asset_class": kind,
            "calendar": calendar,
            "time_zone": zone,
            "tick_size": 0.01,
            "lot_size": 1.0,
        }
        for name, (kind, calendar, zone, _) in SYMBOLS.items()
    ]
    return {
        "dataset": "made-up",
        "first_day": "2024-01-01",
        "last_day": "2024-06-30",
        "symbols": symbols,
        "version": "0" * 16,
    }


def _json(document: object) -> Response:
    return _reply(HTTPStatus.OK, "application/json", json.dumps(document).encode())


def _problem(status: HTTPStatus, detail: str) -> Response:
    body = {"status": status, "detail": detail, "s": "error", "errmsg": detail}
    return _reply(status, "application/problem+json", json.dumps(body).encode())


def _reply(status: HTTPStatus, media_type: str, body: bytes) -> Response:
    headers = Headers(
        {
            "Content-Type": media_type,
            "Content-Length": str(len(body)),
            "Content-Security-Policy": POLICY,
            "Connection": "close",
        }
    )
    return Response(status, status.phrase, headers, body)


def running(pages: Path) -> Iterator[Standin]:
    """Yield a stand-in that runs."""
    one = Standin(pages)
    one.start()
    yield one
    one.stop()
