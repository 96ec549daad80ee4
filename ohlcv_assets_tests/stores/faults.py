"""Processes that load, read, hold, die and run out of room: started by ``test_faults``, never by anything else.

What belongs here: what happens inside those processes. What does not: judging the outcome.
"""

from __future__ import annotations

import datetime as dt
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb

from ohlcv_assets.bars.resolutions import resolution_of
from ohlcv_assets.errors import OhlcvError
from ohlcv_assets.stores.duckdb.bars import DuckDBBarStore
from ohlcv_assets.stores.duckdb.broker import Broker
from ohlcv_assets.stores.duckdb.trades import DuckDBTradeStore
from ohlcv_assets_tests.stores.made import batches, day_number, made_bars, made_day, promise

DAYS = [day_number(offset) for offset in range(-1, 2)]
PER_SYMBOL = 45_000
"""Three symbols of it are more than one of DuckDB's row groups, so that loads write before they commit."""
KILLS = 6


def say(sentence: str) -> None:
    """Tell the test that started this process."""
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


def stores(path: Path) -> tuple[DuckDBTradeStore, DuckDBBarStore]:
    """Open both stores."""
    broker = Broker(path, patience=60)
    return DuckDBTradeStore(broker), DuckDBBarStore(broker)


def load(path: Path, days: Sequence[dt.date], seed: int) -> None:
    """Load trades and bars of some days."""
    trades, bars = stores(path)
    for day in days:
        table = made_day(day, PER_SYMBOL, seed=seed)
        trades.replace_day(promise(day, table, str(seed)), batches(table, 10_000))
        bars.write_many(day, {name: made_bars(resolution_of(name), day, level=seed) for name in ("15m", "1d")})


def audit(path: Path) -> None:
    """Refuse a store whose clean records are not true."""
    trades, _ = stores(path)
    for record in trades.day_records().values():
        promised = promise(record.day, made_day(record.day, PER_SYMBOL, seed=int(record.content_hash)))
        if record.state == "clean" and dict(trades.counts(record.day)) != dict(promised.counts):
            raise AssertionError(f"{record} does not hold")


def watch(path: Path) -> None:
    """Read what others are loading until all of it is there."""
    trades, bars = stores(path)
    while True:
        clean = [record.day for record in trades.day_records().values() if record.state == "clean"]
        for day in clean:
            if sum(trades.counts(day).values()) != 3 * PER_SYMBOL:
                raise AssertionError(f"{day} is recorded but not there")
        if clean == DAYS and bars.coverage(resolution_of("1d")).num_rows == 2 * len(DAYS):
            return
        time.sleep(0.02)


def child(work: Callable[[], None]) -> int:
    """Run work in a fork of this process, whose imports are paid for, and return its id."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return pid


def ended(pid: int) -> None:
    """Wait for a child and fail with it."""
    _, status = os.waitpid(pid, 0)
    if status != 0:
        sys.exit(f"a child ended with {status}")


def killed(path: Path) -> None:
    """Kill loading processes at random moments, look at what they left, and load undisturbed in the end."""
    chance = random.Random(5)  # noqa: S311 -- moments, not secrets
    for attempt in range(KILLS):
        seed = attempt // 3
        pid = child(lambda seed=seed: load(path, DAYS, seed))  # type: ignore[misc]  # a lambda's default has no type
        time.sleep(chance.uniform(0.02, 0.5))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        ended(child(lambda: audit(path)))
    ended(child(lambda: load(path, DAYS, 7)))


def crowd(path: Path) -> None:
    """Let two processes load overlapping days while a third reads."""
    works: list[Callable[[], None]] = [
        lambda: load(path, DAYS[:2], 7),
        lambda: load(path, DAYS[1:], 7),
        lambda: watch(path),
    ]
    for pid in [child(work) for work in works]:
        ended(pid)


def full(path: Path) -> None:
    """Load beyond a file size limit, say how that went, and load again without the limit."""
    load(path, DAYS[:1], 7)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100_000, hard))
    try:
        load(path, DAYS[:2], 7)
    except OhlcvError as error:
        say(f"{type(error).__name__}|{error}")
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    load(path, DAYS, 7)


def hold(path: Path) -> None:
    """Hold the file as some other program would, until killed."""
    connection = duckdb.connect(str(path))
    say("holding")
    time.sleep(60)
    connection.close()


def refused(path: Path) -> None:
    """Load into a folder that cannot be written to, as somebody whom permissions hold."""
    path.parent.chmod(0o555)
    if os.geteuid() == 0:
        os.seteuid(65_534)
    try:
        load(path, DAYS[:1], 7)
    except OhlcvError as error:
        say(f"{type(error).__name__}|{error}")
    finally:
        os.seteuid(os.getuid())
        path.parent.chmod(0o755)


if __name__ == "__main__":
    {work.__name__: work for work in (killed, crowd, full, hold, refused)}[sys.argv[1]](Path(sys.argv[2]))
