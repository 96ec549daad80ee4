"""Loading into InfluxDB and proving what was loaded, against InfluxData's own tools on the same server in the same run.

What belongs here: which server, the order of repetitions, the figures that come of them. What does not: what is timed
(``influx_load``), the peers (``influx_peers``), finding the best settings (``influx_sweep``).

Repetitions are interleaved, each into an empty bucket, so that a machine that is slow for a while is slow for all; a
ratio is the median of the ratios within each round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ohlcv_assets.bench.cases import prepare
from ohlcv_assets.bench.figures import Figure
from ohlcv_assets.bench.influx_figures import load_figures
from ohlcv_assets.bench.influx_load import (
    Day,
    day_of,
    measure_checks,
    measure_lines,
    replace_day,
    with_carrier,
    write_day,
)
from ohlcv_assets.bench.influx_peers import (
    GET_INCH,
    INCH_CONNECTIONS,
    NO_TOKENS,
    Cost,
    InchRun,
    has_inch,
    measured,
    run_bare,
    run_client_frame,
    run_inch,
)
from ohlcv_assets.bench.influx_scratch import Scratch
from ohlcv_assets.errors import SettingsError, StoreAccessError
from ohlcv_assets.influx_parts import influx_address
from ohlcv_assets.influx_stores import influx_plan
from ohlcv_assets.progress import Observer, Progress, nobody
from ohlcv_assets.settings import Settings
from ohlcv_assets.stores.influxdb.bulk.plan import BulkPlan
from ohlcv_assets.stores.influxdb.connection import Address, Connection
from ohlcv_assets.stores.influxdb.lineprotocol.lines import trade_lines
from ohlcv_assets.stores.influxdb.trades import InfluxTradeStore
from ohlcv_assets.stores.influxdb.writer import LoadPlan, Writer
from ohlcv_assets.stores.influxdb.writer.usage import ServerUsage, server_process

DAYS: Final = 366
INCH_BATCHES: Final = (5_000, 20_000)
FRAME_ROWS: Final = 100_000
"""Trades that influxdb-client's batching writer is given; it needs ten seconds for a day."""

PATIENCE: Final = 30.0
"""Seconds without any success that end a benchmark: what comes after is no figure."""

Run = Callable[[], Cost]


@dataclass(frozen=True, slots=True)
class Bench:
    """What a benchmark on a server works with.

    Attributes
    ----------
    scratch
        Buckets to load into, on the server.
    day
        What is loaded.
    plan
        How our own writers load.
    server
        The server's processor time, where it runs on this machine.
    query_timeout, patience
        Of the store that days are replaced in.
    """

    scratch: Scratch
    day: Day
    plan: LoadPlan
    server: ServerUsage
    query_timeout: float = 60.0
    patience: float = 60.0

    @property
    def connection(self) -> Connection:
        """To the server."""
        return self.scratch.connection

    @property
    def version(self) -> str:
        """What the server calls itself."""
        return self.connection.call("GET", "/ping", doing="answer").headers.get("x-influxdb-version", "2.x")

    @property
    def address(self) -> Address:
        """Of the server."""
        return self.scratch.connection.address

    def into_fresh(self, action: Callable[[str], int]) -> Cost:
        """Run something that loads into an empty bucket of its own, and return its cost."""
        bucket = self.scratch.bucket()
        cost = measured(lambda: action(bucket), self.server)
        self.scratch.drop(bucket)
        return cost

    @contextmanager
    def store(self, bulk: BulkPlan | None = None) -> Iterator[InfluxTradeStore]:
        """Give a store of trades in empty buckets of its own, loaded by lines unless asked for otherwise."""
        layout = self.scratch.layout()
        connection = Connection(self.address, self.plan.connections)
        limits = {"query_timeout": self.query_timeout, "patience": self.patience}
        store = InfluxTradeStore(connection, layout, self.plan, **limits, bulk=bulk)
        with closing(store):
            yield store
        for bucket in layout.buckets:
            self.scratch.drop(bucket.name)


def measure_influx(
    settings: Settings, folder: Path, *, trades: int | None = None, repeats: int = 5, observer: Observer = nobody
) -> list[Figure]:
    """Measure on the server that settings name, in buckets that are removed at the end.

    Parameters
    ----------
    settings
        Address, organisation and token of the server; batch size, connections and the like of our own writers.
    folder
        Where the day file is made.
    trades
        Trades of the day that is loaded, about; those of an ordinary day of 2024 where None.
    repeats
        Rounds.
    observer
        Told of every round.

    Raises
    ------
    SettingsError
        No server is named, or no token.
    StoreError
        The server refuses or does not answer.
    """
    with opened(settings, folder, trades=trades, repeats=repeats) as bench:
        figures = [measure_lines(bench.day, bench.plan.batch_lines)]
        observer(Progress("bench", "load", 0, repeats, "rounds"))
        inches = inch_runs(bench)
        with _own_runs(bench) as runs:
            costs = interleaved({**runs, **inches}, repeats, observer)
        method = (
            f"InfluxDB {bench.version}, {bench.day.rows:,} trades of {bench.day.symbols} symbols, into an empty bucket "
            f"each time, {bench.plan.batch_lines:,} lines a request, {bench.plan.connections} connections, median of "
            f"{repeats} interleaved rounds"
        )
        absent = "" if inches else (NO_TOKENS if has_inch() else GET_INCH)
        figures += load_figures(costs, method, absent)
        figures += _check_figures(bench, repeats)
    return figures


@contextmanager
def opened(settings: Settings, folder: Path, *, trades: int | None, repeats: int) -> Iterator[Bench]:
    """Give what a benchmark works with; see ``measure_influx``."""
    connection = connect(settings)
    with closing(connection):
        connection.org_id()
        day = day_of(prepare(folder, total=300_000_000 if trades is None else DAYS * trades, repeats=repeats))
        with Scratch(connection) as scratch:
            yield Bench(
                scratch,
                day,
                replace(influx_plan(settings), rows_per_second=None, deadline=min(PATIENCE, settings.influx_deadline)),
                ServerUsage(server_process(connection.address.url)),
                settings.influx_query_timeout,
                settings.store_patience,
            )


def connect(settings: Settings) -> Connection:
    """Return a connection with the operator token, or with the loader's where there is none.

    Raises
    ------
    SettingsError
        No server is named, or no token.
    """
    token = settings.influx_operator_token or settings.influx_token
    if settings.influx_url is None or token is None:
        missing = "OHLCV_INFLUX_URL" if settings.influx_url is None else "OHLCV_INFLUX_OPERATOR_TOKEN"
        raise SettingsError(f"The benchmark needs an InfluxDB server and a token that may make buckets: set {missing}.")
    return Connection(replace(influx_address(settings), token=token), settings.influx_connections)


def interleaved(runs: Mapping[str, Run], repeats: int, observer: Observer = nobody) -> dict[str, list[Cost]]:
    """Run everything once in each round, every second round in reverse, and return the costs by name.

    A round that does not count comes first: it opens connections, loads kernels and wakes the server.
    """
    costs: dict[str, list[Cost]] = {name: [] for name in runs}
    names = list(runs)
    runs[names[0]]()
    for number in range(repeats):
        for name in names if number % 2 == 0 else reversed(names):
            costs[name].append(runs[name]())
        observer(Progress("bench", "load", number + 1, repeats, "rounds"))
    return costs


@contextmanager
def _own_runs(bench: Bench) -> Iterator[dict[str, Run]]:
    """Give what is loaded from this process: our two writers, bare connections, influxdb-client's batching."""
    day, plan = bench.day, bench.plan
    bodies = [(lines.body, lines.rows) for lines in trade_lines([day.table], plan.batch_lines)]
    frame = day.frame(min(day.rows, FRAME_ROWS))
    native = Writer(bench.connection, with_carrier(plan, client=False))
    client = Writer(bench.connection, with_carrier(plan, client=True))
    with closing(native), closing(client):
        yield {
            "native": lambda: bench.into_fresh(lambda bucket: write_day(native, bucket, day, plan.batch_lines)),
            "client": lambda: bench.into_fresh(lambda bucket: write_day(client, bucket, day, plan.batch_lines)),
            "bare": lambda: bench.into_fresh(lambda bucket: run_bare(bench.address, bucket, bodies, plan.connections)),
            "frame": lambda: bench.into_fresh(lambda bucket: run_client_frame(bench.address, bucket, frame)),
            "day": lambda: _replaced(bench),
        }


def _replaced(bench: Bench) -> Cost:
    """Load the day from its file as the pipeline does, into buckets of their own, and return what it cost."""
    with bench.store() as store:
        return measured(lambda: replace_day(store, bench.day), bench.server)


def _check_figures(bench: Bench, repeats: int) -> list[Figure]:
    with bench.store() as store:
        replace_day(store, bench.day)
        return measure_checks(store, bench.day, repeats)


def inch_runs(bench: Bench) -> dict[str, Run]:
    """Return the runs of ``inch``; none where it is not there, or may not be given a token."""
    if not has_inch():
        return {}
    try:
        token = bench.scratch.token()
    except StoreAccessError:
        return {}

    def run_of(batch: int) -> Run:
        run = InchRun(bench.day.symbols, bench.day.rows, batch, INCH_CONNECTIONS)
        return lambda: bench.into_fresh(lambda bucket: run_inch(bench.address, token, bucket, run))

    return {f"inch {batch:,}": run_of(batch) for batch in INCH_BATCHES}
