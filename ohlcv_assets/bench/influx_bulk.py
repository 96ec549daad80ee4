"""Loading in bulk, a day alone and many together, and comparing every trade, beside the line path and ``inch``.

What belongs here: what is timed of bulk loading. What does not: the order of repetitions (``influx``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from ohlcv_assets.bench.figures import Figure, best_of
from ohlcv_assets.bench.influx import Bench, inch_runs, interleaved, opened
from ohlcv_assets.bench.influx_figures import alone, beside, best_inch, rate, server_figures
from ohlcv_assets.bench.influx_load import Day, replace_day
from ohlcv_assets.bench.influx_peers import Cost, measured
from ohlcv_assets.errors import SettingsError, StoreMismatchError
from ohlcv_assets.market.schema import STORED
from ohlcv_assets.pipeline.steps import file_day
from ohlcv_assets.progress import Observer, Progress, nobody
from ohlcv_assets.settings import Settings
from ohlcv_assets.stores.base import DayContent, GivenDay
from ohlcv_assets.stores.influxdb.bulk.plan import BulkPlan
from ohlcv_assets.stores.influxdb.tsm.encoding import FilePlan, trade_files
from ohlcv_assets.verify.exhaustive import every_trade

ENCODE_TARGET: Final = 12e6
INCH_TARGET: Final = 12.0
SERVER_TARGET: Final = 0.1
COMPARE_TARGET: Final = 1.0
WHOLE: Final = "a day from its file in bulk, checked and counted"
BESIDE: Final = "a day beside another of its week from its file in bulk, checked and counted"
LINES: Final = "a day from its file by lines, checked and counted"
TOGETHER: Final = "three weeks from their files in bulk, checked and counted"
WEEKS: Final = 3
"""As many shards as are loaded side by side; the benchmark's day lies in the last of them."""


def measure_bulk(
    settings: Settings, folder: Path, *, trades: int | None = None, repeats: int = 5, observer: Observer = nobody
) -> list[Figure]:
    """Measure bulk loading on the server that settings name; see ``influx.measure_influx``.

    Raises
    ------
    SettingsError
        There is no operator token.
    StoreError
        The server refuses, does not answer, or cannot be loaded in bulk.
    """
    if settings.influx_operator_token is None:
        raise SettingsError("Bulk loading is measured with the operator's token: set OHLCV_INFLUX_OPERATOR_TOKEN.")
    bulk = BulkPlan("bulk", settings.influx_operator_token)
    with opened(settings, folder, trades=trades, repeats=repeats) as bench:
        figures = [_encoding(bench.day)]
        weeks = _weeks(bench.day, observer)
        observer(Progress("bench", "load", 0, repeats, "rounds"))
        runs = {
            "bulk": lambda: _replaced(bench, bulk),
            "beside": lambda: _beside(bench, bulk, weeks[-1]),
            "together": lambda: _together(bench, bulk, weeks),
            "line": lambda: _replaced(bench, None),
            **inch_runs(bench),
        }
        costs = interleaved(runs, repeats, observer)
        method = (
            f"InfluxDB {bench.version}, {bench.day.rows:,} trades of {bench.day.symbols} symbols, into empty buckets, "
            f"shard and records made anew each time, median of {repeats} interleaved rounds"
        )
        many = (
            f"{sum(each.content.rows for each in weeks):,} trades of {len(weeks)} days, {bench.plan.memory / 1e6:.0f} "
            f"MB, as `ohlcv load` does; otherwise as a day alone"
        )
        beside_it = method.replace("shard and records made anew each time", "into a shard that has another day")
        figures += _loading(costs, method, beside_it, many)
        figures.append(_comparing(bench, bulk, repeats))
    return figures


def _encoding(day: Day) -> Figure:
    timing, rows = best_of(day.work.repeats, lambda: sum(file.rows for file in trade_files([day.table], FilePlan())))
    size = sum(file.size for file in trade_files([day.table], FilePlan()))
    method = (
        f"{rows:,} trades of {day.day} in memory, {size / rows:.2f} bytes a trade, trades a second of processor time, "
        f"fastest of {day.work.repeats}"
    )
    return Figure("bulk", "a day to files, per core", rows / timing.cpu, "trades/s", ENCODE_TARGET, "", None, method)


def _loading(costs: Mapping[str, Sequence[Cost]], method: str, beside_it: str, many: str) -> list[Figure]:
    """Return rates beside the line path and the best of ``inch``, and processor times of the server."""
    served = [
        *server_figures(WHOLE, costs["bulk"], method),
        *server_figures(BESIDE, costs["beside"], beside_it),
        *server_figures(TOGETHER, costs["together"], many),
        *server_figures(LINES, costs["line"], method),
    ]
    return [
        _against_inch(WHOLE, costs["bulk"], costs, method),
        _against_inch(BESIDE, costs["beside"], costs, beside_it),
        _against_inch(TOGETHER, costs["together"], costs, many),
        beside("bulk", WHOLE, costs["bulk"], LINES, costs["line"], rate, method),
        *(replace(figure, target=None if LINES in figure.name else SERVER_TARGET) for figure in served),
    ]


def _against_inch(name: str, ours: Sequence[Cost], costs: Mapping[str, Sequence[Cost]], method: str) -> Figure:
    """Return a rate beside the best of ``inch`` in the same rounds; alone where that was not run."""
    best = best_inch(costs)
    if best is None:
        return alone("bulk", name, ours, rate, method)
    peer = f"{best} lines a request, its best"
    return beside("bulk", f"{name}, against inch", ours, peer, costs[best], rate, method, INCH_TARGET)


def _comparing(bench: Bench, bulk: BulkPlan, repeats: int) -> Figure:
    """Compare every trade of the day by a backup, fetched each time.

    Raises
    ------
    StoreMismatchError
        They are not the file's: a figure of a wrong answer is none.
    """
    day = bench.day
    with bench.store(bulk) as store:
        replace_day(store, day)
        batches = day.work.project.lake.batches
        timing, verdict = best_of(repeats, lambda: every_trade(batches(day.day), store.backed_up(day.day, afresh=True)))
    if not verdict.passed:
        raise StoreMismatchError(f"The benchmark's day was not stored as it was made: {verdict.summary}")
    method = f"{day.rows:,} trades of {day.day}, backup and day file read each time, fastest of {repeats}"
    return Figure("check", "every trade of a day", timing.wall, "s", COMPARE_TARGET, "", None, method)


def _replaced(bench: Bench, bulk: BulkPlan | None) -> Cost:
    """Load the day from its file as the pipeline does, into buckets of their own, and return what it cost."""
    with bench.store(bulk) as store:
        return measured(lambda: replace_day(store, bench.day), bench.server)


def _beside(bench: Bench, bulk: BulkPlan, other: GivenDay) -> Cost:
    """Load the day into a shard that has another day of its week: as most days are loaded."""
    with bench.store(bulk) as store:
        store.replace_day(other.content, other.batches())
        return measured(lambda: replace_day(store, bench.day), bench.server)


def _weeks(day: Day, observer: Observer) -> list[GivenDay]:
    """Make the files of whole weeks, the last of which holds the day, and return their days as they are loaded."""
    project = day.work.project
    end = day.day + dt.timedelta(days=7 - day.day.weekday())
    days = [end - dt.timedelta(days=back) for back in range(7 * WEEKS, 0, -1)]
    given = []
    for done, each in enumerate(days, 1):
        file = file_day(project, each).file
        content = DayContent(each, file.content_hash, file.counts)
        given.append(GivenDay(content, partial(project.lake.batches, each, STORED.names)))
        observer(Progress("bench", "files", done, len(days), "days"))
    return given


def _together(bench: Bench, bulk: BulkPlan, given: Sequence[GivenDay]) -> Cost:
    """Load many days from their files as ``ohlcv load`` does, into buckets of their own, and return what it cost."""
    with bench.store(bulk) as store:
        return measured(lambda: sum(report.written for report in store.replace_days(given)), bench.server)
