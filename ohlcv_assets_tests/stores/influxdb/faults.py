"""Processes that load into InfluxDB and die, are refused or hang: started by ``test_faults_processes`` and the like.

What belongs here: what happens inside those processes, and starting them. What does not: judging the outcome.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil
import pyarrow as pa
from pydantic import SecretStr

from ohlcv_assets.errors import OhlcvError
from ohlcv_assets.stores.base import DayContent
from ohlcv_assets.stores.influxdb.connection import Address, Connection
from ohlcv_assets.stores.influxdb.trades import InfluxTradeStore
from ohlcv_assets_tests.servers import layout_named
from ohlcv_assets_tests.stores.influxdb.stores import plan
from ohlcv_assets_tests.stores.made import FIRST, batches, day_number, made_day, promise

ROOT: Final = Path(__file__).parents[3]
SLICE: Final = 1_000


@dataclass
class Order:
    """What a process is to do; it comes over the standard input, since it holds a token.

    Attributes
    ----------
    mode
        ``"load"`` or ``"flood"``.
    prefix
        What the buckets' names begin with.
    offsets
        Days, counted from the first.
    plan
        Fields of LoadPlan; Any: they vary.
    """

    mode: str
    url: str
    org: str
    token: str = field(repr=False)
    prefix: str = ""
    offsets: list[int] = field(default_factory=lambda: [0])
    per_symbol: int = 1_000
    seed: int = 0
    patience: float = 30.0
    plan: dict[str, Any] = field(default_factory=dict)


def say(sentence: str) -> None:
    """Tell the test that started this process."""
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


def opened(order: Order) -> InfluxTradeStore:
    """Open the store."""
    load_plan = plan(**order.plan)
    address = Address(
        order.url, order.org, SecretStr(order.token), timeout=load_plan.timeout, patience=load_plan.deadline
    )
    connection = Connection(address, load_plan.connections)
    layout = layout_named(order.prefix)
    return InfluxTradeStore(connection, layout, load_plan, query_timeout=20.0, patience=order.patience)


def load(order: Order) -> None:
    """Load some days, and say how that went."""
    store = opened(order)
    say("loading")
    try:
        for offset in order.offsets:
            table = made_day(day_number(offset), order.per_symbol, seed=order.seed)
            store.replace_day(promise(day_number(offset), table, str(order.seed)), batches(table, SLICE))
    except OhlcvError as error:
        say(f"{type(error).__name__}|{error}")
    else:
        say("done")
    finally:
        store.close()


def flood(order: Order) -> None:
    """Offer many trades, and say at the end how many were taken and by how much the memory grew."""
    store = opened(order)
    table = made_day(FIRST, 100_000, ("A",))
    process = psutil.Process()
    taken = 0
    most = 0
    before = process.memory_info().rss

    def offered() -> Iterator[pa.RecordBatch]:
        nonlocal taken, most
        for batch in table.to_batches(max_chunksize=SLICE):
            taken += batch.num_rows
            most = max(most, process.memory_info().rss)
            yield batch

    say("loading")
    try:
        store.replace_day(DayContent(FIRST, "flood", {"A": 100_000}), offered())
    except OhlcvError as error:
        most = max(most, process.memory_info().rss)
        say(f"{type(error).__name__}|{taken}|{most - before}")
    store.close()


def start(order: Order) -> subprocess.Popen[str]:
    """Start a process and wait until it has opened the store."""
    command = [sys.executable, "-m", "ohlcv_assets_tests.stores.influxdb.faults"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(asdict(order)))
    process.stdin.close()
    process.stdin = None
    if process.stdout.readline() != "loading\n":
        raise AssertionError(process.communicate()[1])
    return process


def said(process: subprocess.Popen[str]) -> str:
    """Wait for the end of a process and return its last sentence."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.strip().splitlines()[-1]


if __name__ == "__main__":
    given = Order(**json.loads(sys.stdin.read()))
    {work.__name__: work for work in (load, flood)}[given.mode](given)
