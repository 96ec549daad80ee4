"""Our own way into InfluxDB and out of it again, timed: lines, the writer, whole days, what checks ask.

What belongs here: one function a thing that is timed. What does not: peers (``influx_peers``), the order of
repetitions and what figures come of them (``influx``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import pandas as pd
import pyarrow as pa
from influxdb_client.client.write.dataframe_serializer import DataframeSerializer
from influxdb_client.client.write_api import PointSettings

from ohlcv_assets.bench.cases import Workload
from ohlcv_assets.bench.figures import Figure, best_of
from ohlcv_assets.errors import StoreMismatchError
from ohlcv_assets.market.schema import STORED
from ohlcv_assets.stores.base import DayContent, TradeStore
from ohlcv_assets.stores.influxdb.layout import TRADES_MEASUREMENT
from ohlcv_assets.stores.influxdb.lineprotocol.lines import trade_lines
from ohlcv_assets.stores.influxdb.writer import LoadPlan, Writer
from ohlcv_assets.verify.content import content
from ohlcv_assets.verify.counts import counts_per_symbol
from ohlcv_assets.verify.sample import sample, sample_keys
from ohlcv_assets.verify.verdict import Verdict

LINES_TARGET: Final = 6e6
PEER_LINES: Final = 50_000
"""Lines that influxdb-client's serialiser is timed on; it needs seconds for a day."""

SAMPLE: Final = 200
CHECK_TARGETS: Final[Mapping[str, float]] = {
    "count check of a day": 0.1,
    "content check of a day": 0.6,
    f"{SAMPLE} samples": 0.25,
}


@dataclass(frozen=True, slots=True)
class Day:
    """One day of trades, ready to be loaded.

    Attributes
    ----------
    day, content
        Which day, and what it promises.
    table
        Its trades as ``STORED``.
    work
        The day's file and how often things are timed.
    """

    day: dt.date
    content: DayContent
    table: pa.Table
    work: Workload

    @property
    def rows(self) -> int:
        """Trades of the day."""
        return int(self.table.num_rows)

    @property
    def symbols(self) -> int:
        """Symbols that traded."""
        return len(self.content.counts)

    def frame(self, rows: int) -> pd.DataFrame:
        """Return the first trades as influxdb-client wants them: indexed by time."""
        return self.table.slice(0, rows).to_pandas().astype({"symbol": "str"}).set_index("ts")


def day_of(work: Workload) -> Day:
    """Return the prepared day as it is loaded."""
    file = work.project.lake.inspect(work.day)
    made = DayContent(work.day, file.content_hash, file.counts)
    return Day(work.day, made, work.trades.select(STORED.names).cast(STORED), work)


def measure_lines(day: Day, batch_lines: int) -> Figure:
    """Turn the day into bodies of lines on one core, against influxdb-client's serialiser of pandas frames."""
    timing, rows = best_of(day.work.repeats, lambda: sum(lines.rows for lines in trade_lines([day.table], batch_lines)))
    frame = day.frame(PEER_LINES)

    def peer() -> int:
        serialiser = DataframeSerializer(
            frame, PointSettings(), data_frame_measurement_name=TRADES_MEASUREMENT, data_frame_tag_columns=["symbol"]
        )
        return len(serialiser.serialize())

    peer_timing, peer_rows = best_of(min(2, day.work.repeats), peer)
    rate, peer_rate = rows / timing.cpu, peer_rows / peer_timing.cpu
    return Figure(
        "serialise", "a day to line protocol, per core", rate, "lines/s", LINES_TARGET,
        f"influxdb-client's serialiser of pandas frames, {peer_rows:,} lines", rate / peer_rate,
        f"{rows:,} trades of {day.day} in memory, lines a second of processor time, fastest of {day.work.repeats}",
    )  # fmt: skip


def write_day(writer: Writer, bucket: str, day: Day, batch_lines: int) -> int:
    """Load the day from memory through a writer and return the lines that were acknowledged."""
    lines = trade_lines([day.table], batch_lines)
    name = day.day.isoformat()
    return writer.write(bucket, lines, doing=f"write the trades of {name}", subject=name, expected=day.rows).rows


def replace_day(store: TradeStore, day: Day) -> int:
    """Load the day from its file the way the pipeline does, with records, leases and counts; return its trades."""
    return store.replace_day(day.content, day.work.project.lake.batches(day.day, STORED.names)).written


def measure_checks(store: TradeStore, day: Day, repeats: int) -> list[Figure]:
    """Run the three checks of a day that is stored, each as the pipeline does, reading the day file apart.

    Raises
    ------
    StoreMismatchError
        A check does not hold: a figure of a wrong answer is none.
    """
    keys = sample_keys(day.table, day.work.project.settings.seed, SAMPLE)
    checks: Mapping[str, Callable[[], Verdict]] = {
        "count check of a day": lambda: counts_per_symbol(day.content.counts, store.counts(day.day)),
        "content check of a day": lambda: content(day.table, store.content(day.day)),
        f"{SAMPLE} samples": lambda: sample(keys, store.fetch(keys)),
    }
    figures = []
    for name, check in checks.items():
        timing, verdict = best_of(repeats, check)
        if not verdict.passed:
            raise StoreMismatchError(f"The benchmark's day was not stored as it was made: {verdict.summary}")
        method = (
            f"{day.rows:,} trades of {day.day}, {day.symbols} symbols, fastest of {repeats}, compared with the file"
        )
        figures.append(Figure("check", name, timing.wall, "s", CHECK_TARGETS[name], "", None, method))
    return figures


def with_carrier(plan: LoadPlan, *, client: bool) -> LoadPlan:
    """Return the plan carried by our own connections or by influxdb-client."""
    return replace(plan, carrier="client" if client else "native")
