"""The fake answers as a real server does: the same requests to both, and their replies compared."""

from __future__ import annotations

import json
from typing import Final
from urllib.parse import urlencode

import pytest

from ohlcv_assets_tests.servers import Server
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake

pytestmark = pytest.mark.integration

DAY: Final = 1_706_659_200_000_000_000
END: Final = DAY + 86_400 * 10**9
SYMBOLS: Final = (b"A", b"B\\ b\\,", b"\xc3\xa4", b"q\"'\\\\x", b"a\\=b")
_ROWS: Final = b"\n".join(
    b"trades,symbol=%s price=%d.25,amount=2.5,side=%di %d" % (symbol, row + 1, 1 if row % 3 else -1, DAY + row * step)
    for step, symbol in enumerate(SYMBOLS, 1_800_000_000_123)
    for row in range(6)
)

WRITES: Final = (
    _ROWS,
    b"trades,symbol=A price=1,amount=1e-9,side=1i %d" % (DAY + 1),
    b"trades,symbol=A price=1i %d\ntrades,symbol=A price=2 %d" % (DAY + 5, DAY + 6),
    b'x,a=b s="q\\"\\\\z",t=t,i=-5i 5',
    b"trades,symbol=A price=x 5\nok f=1 1",
    b"qq",
    b"trades,symbol= p=1 1",
    b"trades,symbol=A price=NaN 1",
    b"",
    b"# c\n\nm f=1 1\n",
    b"trades,symbol=A price=1e3,amount=123456789.123456789,side=1i %d\n" % (END - 1),
    b"trades,symbol=A price=1e3,amount=1,side=1i %d\n" % END,
)
"""Bodies of writes."""


def _trades(field: str = "price") -> str:
    return (
        'from(bucket: "first") |> range(start: 2024-01-31T00:00:00Z, stop: 2024-02-01T00:00:00Z) '
        f'|> filter(fn: (r) => r._measurement == "trades" and r._field == "{field}")'
    )


_NAMED: Final = """
of = (f) => from(bucket: "first")
    |> range(start: 2024-01-31T00:00:00Z, stop: 2024-02-01T00:00:00Z)
    |> filter(fn: (r) => r._field == f)
of(f: "price") |> count() |> yield(name: "n")
of(f: "amount") |> sum() |> group() |> drop(columns: ["_start", "_stop"]) |> yield(name: "v")
"""

FLUX: Final = (
    *(f"{_trades()} |> {name}()" for name in ("count", "sum", "min", "max", "first", "last", "mean")),
    f'{_trades()} |> keep(columns: ["symbol", "_time", "_value"])',
    f'{_trades()} |> aggregateWindow(every: 1h, fn: first, createEmpty: false, timeSrc: "_start")',
    f"{_trades('side')} |> aggregateWindow(every: 1h, fn: sum, createEmpty: false)",
    f"{_trades()} |> window(every: 1h) |> count()",
    f'{_trades()} |> count() |> yield(name: "n")\n{_trades("side")} |> sum() |> yield(name: "s")',
    _NAMED,
    f"union(tables: [{_trades()} |> count(), {_trades('amount')} |> count()]) |> group() |> sum()",
    f'{_trades()} |> filter(fn: (r) => r.symbol == "\\x41" or r.symbol == "q\\"\'\\\\\\\\x") |> count()',
    f'{_trades()} |> filter(fn: (r) => contains(value: r.symbol, set: ["A"])) |> limit(n: 2)',
    f'{_trades()} |> count() |> group() |> keep(columns: ["symbol", "_value"]) |> sort(columns: ["symbol"])',
    f'{_trades()} |> count() |> set(key: "_field", value: "z") |> rename(columns: {{_value: "n"}})',
    'import "influxdata/influxdb/schema"\nschema.tagValues(bucket: "first", tag: "symbol", start: 2024-01-01)',
    'from(bucket: "first") |> range(start: -1h) |> filter(fn: (r) => r._measurement == "trades")',
    f"{_trades()} |> filter(fn: (r) => r.symbol =~ /^[AB]/) |> count()",
    f"{_trades('none')} |> count()",
    'from(bucket: "none") |> range(start: 0)',
)
"""Scripts."""

REFUSED: Final = ('from(bucket: "first") |> rang(', f'{_trades()} |> count(column: "x")', f"{_trades()} |> none()")
"""Scripts that are refused with status 400, in other words."""

_INSIDE: Final = f"time >= {DAY} AND time < {END}"
INFLUXQL: Final = (
    'SELECT price, amount, side FROM "trades" WHERE INSIDE GROUP BY "symbol"',
    "SELECT price, amount, side, symbol FROM trades WHERE INSIDE AND symbol = 'A'",
    "SELECT count(price), sum(amount), first(price) FROM trades WHERE INSIDE GROUP BY symbol, time(1h) fill(none)",
    "SELECT first(price) FROM trades WHERE INSIDE GROUP BY symbol",
    "SELECT first(price), last(price) FROM trades WHERE symbol = 'A'",
    "SELECT price FROM trades WHERE time = 1706659200000000000; SELECT price FROM trades WHERE symbol = 'ä'",
    "SELECT price FROM nothing",
    "SELECT nothing(price) FROM trades",
    "SHOW TAG VALUES FROM trades WITH KEY = symbol",
    "SELECT sum(x), count(x) FROM (SELECT price * amount AS x FROM trades WHERE INSIDE) GROUP BY symbol",
    "SELECT count(price) FROM trades WHERE symbol = 'q\"\\'\\\\x'",
    "SELECT count(*) FROM trades GROUP BY *",
    "SELECT price FROM trades WHERE INSIDE AND symbol = 'A' ORDER BY time DESC LIMIT 2",
    "SELECT price FROM trades WHERE (time = 1706659200000000000 OR time = 1706659200000000001) AND symbol = 'A'",
    "SELECT s, t, i FROM x",
    "SELECT price FROM trades WHERE price > 3.0 AND side = 1 AND INSIDE GROUP BY symbol",
    'SELECT count(price) AS n, sum(side) AS "a b" FROM trades WHERE INSIDE GROUP BY time(1d), symbol',
)
"""Statements; ``INSIDE`` stands for the day's bounds."""


def _said(status: int, body: bytes) -> tuple[int, object]:
    """Return a reply so that replies compare: JSON as values, CSV as its lines in order."""
    text = body.decode()
    try:
        return status, [json.loads(line) for line in text.splitlines()]
    except ValueError:
        # A server writes the results of a script in whatever order they are done.
        return status, sorted(text.replace("\r", "").strip().splitlines())


def _replies(server: Server) -> dict[str, tuple[int, object]]:
    """Return what a server says to everything."""
    connection = server.connect()
    found: dict[str, tuple[int, object]] = {}

    def say(name: str, method: str, target: str, body: bytes | None = None, **headers: str) -> None:
        reply = connection.send(method, target, body=body, headers=headers)
        found[name] = _said(reply.status, reply.body)

    for body in WRITES:
        say(f"write {body[:60]!r}", "POST", f"/api/v2/write?org={server.org}&bucket=first&precision=ns", body)
    flux = f"/api/v2/query?org={server.org}"
    for text in FLUX:
        say(f"flux {text}", "POST", flux, text.encode(), **{"Content-Type": "application/vnd.flux"})
    for text in REFUSED:
        reply = connection.send("POST", flux, body=text.encode(), headers={"Content-Type": "application/vnd.flux"})
        found[f"refused {text}"] = (reply.status, "")
    document = {"query": FLUX[11], "dialect": {"annotations": ["datatype", "group", "default"]}}
    say("annotated", "POST", flux, json.dumps(document).encode(), **{"Content-Type": "application/json"})
    for text in INFLUXQL:
        query = {"db": "first", "epoch": "ns", "q": text.replace("INSIDE", _INSIDE)}
        for accept in ("application/csv", "application/json"):
            say(f"{accept} {text}", "GET", f"/query?{urlencode(query)}", Accept=accept)
        if not text.startswith("SHOW"):
            chunked = urlencode({**query, "chunked": "true", "chunk_size": "2"})
            say(f"chunked {text}", "GET", f"/query?{chunked}", Accept="application/json")
    stop = "2024-01-31T23:59:59.999999999Z"
    for predicate in ('_measurement="trades" AND symbol="ä"', '_measurement="trades"'):
        deleted = json.dumps({"start": "2024-01-31T00:00:00Z", "stop": stop, "predicate": predicate}).encode()
        say(f"delete {predicate}", "POST", f"/api/v2/delete?org={server.org}&bucket=first", deleted)
        left = urlencode({"db": "first", "epoch": "ns", "q": "SELECT count(price) FROM trades GROUP BY symbol"})
        say(f"left after {predicate}", "GET", f"/query?{left}")
    connection.close()
    return found


def test_the_fake_answers_as_a_real_server(own_server: Server, fake_server: Fake) -> None:
    """Status and content of replies to writes, Flux, InfluxQL and deletes are those of a real InfluxDB."""
    expected, found = _replies(own_server), _replies(fake_server)
    assert found.keys() == expected.keys()
    for name, reply in expected.items():
        assert found[name] == reply, name


def test_faults_come_as_scripted(fake_server: Fake) -> None:
    """A scripted fault meets the requests it names, as often as it says, and then no more."""
    connection = fake_server.connect()
    fake_server.faults.add("answer", path="/ping", times=2, skip=1, status=503, headers={"Retry-After": "1"})
    statuses = [connection.send("GET", "/ping").status for _ in range(4)]
    assert statuses == [204, 503, 503, 204]
    assert fake_server.faults.count("/ping") == 4
    assert fake_server.faults.count("/ping", 503) == 2
    connection.close()
