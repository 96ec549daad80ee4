"""Processes that load into InfluxDB and die, are refused or hang: started by ``test_faults_processes`` and the like.

What belongs here: what happens inside those processes, and starting them. What does not: judging the outcome.

They are forked from a server that has imported everything once, since importing takes longer than loading does. What
they print and log, at the level of debugging, is listened to as everything else that tests emit.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Mouth
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import psutil
import pyarrow as pa
from pydantic import SecretStr

from ohlcv_assets.errors import OhlcvError
from ohlcv_assets.stores.base import DayContent
from ohlcv_assets.stores.influxdb.bulk.plan import BulkPlan
from ohlcv_assets.stores.influxdb.connection import Address, Connection
from ohlcv_assets.stores.influxdb.trades import InfluxTradeStore
from ohlcv_assets_tests.secrets_guard import hear
from ohlcv_assets_tests.servers import layout_named
from ohlcv_assets_tests.stores.influxdb.stores import impatient, plan
from ohlcv_assets_tests.stores.made import FIRST, batches, day_number, made_day, promise

SLICE: Final = 1_000
FLOOD: Final = 1_000_000
"""Trades, some 60 MB of lines."""

LONGEST: Final = 120.0
"""Seconds until a process has said something or ended."""

_CONTEXT: Final = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])

Say = Callable[[str], None]
"""Tells the test that started a process."""


@dataclass
class Order:
    """What a process is to do.

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
    bulk
        Whether days go in bulk, by the right of the token.
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
    bulk: bool = False


def opened(order: Order) -> InfluxTradeStore:
    """Open the store."""
    load_plan = plan(**order.plan)
    address = Address(
        order.url, order.org, SecretStr(order.token), timeout=load_plan.timeout, patience=load_plan.deadline
    )
    connection = Connection(address, load_plan.connections)
    layout = layout_named(order.prefix)
    bulk = BulkPlan("bulk", SecretStr(order.token)) if order.bulk else None
    limits = {"query_timeout": 20.0, "patience": order.patience}
    return impatient(InfluxTradeStore(connection, layout, load_plan, **limits, bulk=bulk))


def load(order: Order, say: Say) -> None:
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


def flood(order: Order, say: Say) -> None:
    """Load one small day, offer many trades of another, and say how many were taken and by how much the memory grew."""
    store = opened(order)
    first = made_day(day_number(1), 500, ("A",))
    store.replace_day(promise(day_number(1), first), batches(first))
    table = made_day(FIRST, FLOOD, ("A",))
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
        store.replace_day(DayContent(FIRST, "flood", {"A": FLOOD}), offered())
    except OhlcvError as error:
        most = max(most, process.memory_info().rss)
        say(f"{type(error).__name__}|{taken}|{most - before}")
    store.close()


def work(order: Order, mouth: Mouth, output: str) -> None:
    """Do it: the whole of a process."""
    file = os.open(output, os.O_WRONLY | os.O_APPEND)
    for standard in (1, 2):
        os.dup2(file, standard)
    logging.basicConfig(level=logging.DEBUG)
    {each.__name__: each for each in (load, flood)}[order.mode](order, mouth.send)


class Loading:
    """A process that has opened its store; a context manager that ends it."""

    def __init__(self, order: Order) -> None:
        handle, name = tempfile.mkstemp(prefix="ohlcv-loading-")
        os.close(handle)
        self._output = Path(name)
        self._ear, mouth = _CONTEXT.Pipe(duplex=False)
        self._process = _CONTEXT.Process(target=work, args=(order, mouth, name))
        self._process.start()
        mouth.close()
        if self._next() != "loading":
            self.kill()
            raise AssertionError("the process did not open its store")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def said(self) -> str:
        """Wait for the end and return the last sentence."""
        sentence = self._next()
        self._process.join(LONGEST)
        assert self._process.exitcode == 0, self._output.read_text()
        return sentence

    def kill(self) -> None:
        """Kill the process (SIGKILL) if it lives, and wait until it is gone."""
        self._process.kill()
        self._process.join()
        self._ear.close()
        if self._output.exists():
            hear(self._output.read_text(errors="replace"))
            self._output.unlink()

    def _next(self) -> str:
        try:
            return str(self._ear.recv()) if self._ear.poll(LONGEST) else "silence"
        except EOFError:
            return self._output.read_text()
