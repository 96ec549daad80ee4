"""Bars in InfluxDB.

What belongs here: the bar protocol, one bucket a stored resolution. What does not: how lines are sent (``writer``), how
points are asked for (``scanning``), how processes keep out of each other's way (``leases``).

Writing a day overwrites the bars of equal keys. Bars that were stored and are not among the new ones would stay, so
where there are such, the day is deleted first; that needs everybody else's writing to stop and is done only then.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, cast

import polars as pl
import pyarrow as pa

from ohlcv_assets.bars.resolutions import BARS, Resolution, resolution_of
from ohlcv_assets.errors import StoreMismatchError
from ohlcv_assets.stores.influxdb.deleting import delete_range, until_gone
from ohlcv_assets.stores.influxdb.downsampling import rolling
from ohlcv_assets.stores.influxdb.layout import BARS_MEASUREMENT
from ohlcv_assets.stores.influxdb.leasing.lease import DayLease
from ohlcv_assets.stores.influxdb.lineprotocol.lines import bar_lines
from ohlcv_assets.stores.influxdb.lineprotocol.literals import MAX_NS, MIN_NS
from ohlcv_assets.stores.influxdb.reads.asking import Asker
from ohlcv_assets.stores.influxdb.reads.parts import END_NS, FIRST_NS, Part, in_parts, whole_part
from ohlcv_assets.stores.influxdb.reads.points import BARS_SHAPE, KEPT, field_counts, flux_points, stored_symbols
from ohlcv_assets.stores.influxdb.reads.reading import symbols_of_texts
from ohlcv_assets.stores.influxdb.reads.scanning import (
    FEW_ROWS,
    PAGE_ROWS,
    few_points_of,
    pages,
    points_of,
    points_of_all,
)
from ohlcv_assets.stores.influxdb.store import InfluxStore
from ohlcv_assets.stores.tables import COVERAGE, check_bars, check_stored, in_order
from ohlcv_assets.units import Nanos, day_bounds

BODY_LINES: Final = 5_000
"""Most bars of one request: a day's bars in one body would be read by one thread of the server, one after the other."""

_ABREAST: Final = 3
"""Resolutions written at a time: most of them are a single request, and the first into a bucket opens files."""


class InfluxBarStore(InfluxStore):
    """Bars in buckets of an InfluxDB server; see ``InfluxStore`` for what it is made of."""

    # No bucket of ours has a dot in its name, so nobody else's leases begin like these.
    _SCOPE = ".bars"

    def write(self, resolution: Resolution, day: dt.date, bars: pa.Table) -> int:
        """Make the store hold exactly these bars on that day."""
        return self.write_many(day, {resolution.name: bars})

    def write_many(self, day: dt.date, bars: Mapping[str, pa.Table]) -> int:
        """Write several resolutions of one day.

        All are looked at before any is written. Whoever is interrupted leaves some of them written, each bar whole;
        writing again makes it right. Bars that are stored already are not sent again.

        Raises
        ------
        StoreError
            A resolution is not stored, a bar lies outside the day or repeats: nothing was written.
        StoreBusyError
            Somebody else held the day for longer than our patience.
        StoreRejectedError, StoreAccessError, StoreUnavailableError
            The server took not all of it, or did not answer until the deadline.
        """
        checked = {name: check_bars(resolution_of(name), day, table) for name, table in bars.items()}
        with self._leases.days([day] if checked else []) as lease:
            lacking = self._make_room(lease, day, {resolution_of(name): table for name, table in checked.items()})
            if lacking:
                with lease.writing(), ThreadPoolExecutor(min(len(lacking), _ABREAST), "bars") as pool:
                    # What is yielded is nothing, but an error of one of them comes through.
                    list(pool.map(lambda item: self._write(lease, item[0], day, item[1]), lacking.items()))
        return sum(table.num_rows for table in checked.values())

    def read(self, resolution: Resolution, start: Nanos, end: Nanos, symbols: Sequence[str] | None = None) -> pa.Table:
        """Return the stored bars with ``start <= ts < end``, sorted by (symbol, ts).

        Raises
        ------
        StoreMismatchError
            A stored point is no whole bar.
        """
        check_stored(resolution)
        part = whole_part(start, end)
        if part is None or (symbols is not None and len(symbols) == 0):
            return BARS.empty_table()
        bucket = self._bucket(resolution)
        wanted = None if symbols is None else sorted(set(symbols))
        most = 0 if wanted is None else len(wanted) * _most_bars(resolution, part)
        if wanted is not None and len(wanted) == 1 and most <= FEW_ROWS:
            return in_order(few_points_of(self._asker, BARS_SHAPE, bucket, part, wanted[0], name="bars"))
        if wanted is not None and most <= PAGE_ROWS:
            # So few that there is no need to count them first.
            tables = [points_of(self._asker, BARS_SHAPE, bucket, part, wanted, name="bars")]
        elif wanted is None and self._fit_a_page(resolution, part):
            tables = [points_of_all(self._asker, BARS_SHAPE, bucket, part, name="bars")]
        else:
            tables = list(pages(self._asker, BARS_SHAPE, bucket, part, wanted, name="bars"))
        return in_order(pa.concat_tables([BARS.empty_table(), *tables]).unify_dictionaries())

    def coverage(self, resolution: Resolution) -> pa.Table:
        """Return bars and trades by day and symbol, counted by the server.

        Raises
        ------
        StoreMismatchError
            Somebody else wrote what is no number of trades.
        """
        check_stored(resolution)
        bucket = self._bucket(resolution)

        def ask(part: Part) -> pa.Table:
            return self._asker.flux(_coverage(bucket, part), "coverage")

        everything = Part(FIRST_NS, END_NS)
        tables = list(in_parts(everything, ask, self._symbols(bucket)))
        return _by_day(pa.concat_tables(tables))

    def roll_up(self, day: dt.date, resolutions: Sequence[Resolution], trades: Mapping[str, int]) -> dict[str, int]:
        """Have the server make a day's bars of its stored trades, each resolution from the one below.

        What is stored and cannot be the bars of these trades is deleted first. Bars whose trades moved to another
        interval show only afterwards, as trades too many; then the day is deleted and made once more.

        Raises
        ------
        StoreMismatchError
            The bars do not add up to the trades, even made afresh: the stored trades are not those.
        StoreBusyError
            Somebody else held the day for longer than our patience.
        StoreQueryError, StoreAccessError, StoreUnavailableError
            It did not work; the same may be asked again.
        """
        for resolution in resolutions:
            check_stored(resolution)
        with self._leases.days([day] if resolutions else []) as lease:
            return {one.name: self._roll_up(lease, one, day, trades) for one in resolutions}

    def delete_day(self, resolution: Resolution, day: dt.date) -> int:
        """Delete a day's bars."""
        check_stored(resolution)
        if self._count(resolution, day) == 0:
            return 0
        with self._leases.day(day) as lease, lease.deleting():
            held = self._count(resolution, day)
            self._delete(lease, resolution, day)
        return held

    def clear(self) -> None:
        """Delete all bars of the dataset; everybody else waits meanwhile."""
        with self._leases.days([]) as lease, lease.deleting():
            for bucket in self._layout.bars.values():
                self._delete_range(lease, bucket.name, MIN_NS, MAX_NS, "all bars")

    def _write(self, lease: DayLease, resolution: Resolution, day: dt.date, bars: pa.Table) -> None:
        """Write the bars of one resolution over what is there."""
        story = self._writer.write(
            self._bucket(resolution),
            bar_lines(bars, min(self._plan.batch_lines, BODY_LINES)),
            doing=f"write the {resolution.name} bars of {day}",
            subject=day.isoformat(),
            expected=bars.num_rows,
            unit="bars",
            stage="bars",
            guard=lease.check,
        )
        self.note_answers(lease, story)

    def _roll_up(self, lease: DayLease, resolution: Resolution, day: dt.date, trades: Mapping[str, int]) -> int:
        """Have the server make one resolution; return how many bars there are."""
        part = whole_part(*day_bounds(day))
        if part is None:
            return 0
        bucket = self._bucket(resolution)
        # What is made of a shard that was closed meanwhile is made again.
        asker = Asker(self._connection.guarded(lease.check), self._query_timeout, self._steady)

        def made() -> rolling.Held:
            with lease.writing():
                rolling.roll_up(asker, self._layout, resolution, part.start, part.end)
            return rolling.held(self._asker, bucket, part)

        before = rolling.held(self._asker, bucket, part)
        if not before.empty and not before.fits(trades):
            with lease.deleting():
                self._delete(lease, resolution, day)
        after = made()
        if not after.fits(trades):
            with lease.deleting():
                self._delete(lease, resolution, day)
            after = made()
        if after.fits(trades):
            return after.bars
        raise StoreMismatchError(
            f"The {resolution.name} bars that InfluxDB at {self._connection.address.url} made of {day} hold "
            f"{sum(after.trades.values()):,} trades and the day has {sum(trades.values()):,}: load the day again with "
            f"`ohlcv backfill --from {day} --to {day}`."
        )

    def _make_room(
        self, lease: DayLease, day: dt.date, bars: Mapping[Resolution, pa.Table]
    ) -> dict[Resolution, pa.Table]:
        """Delete days that hold points which writing would not overwrite; return the bars that are to be written."""
        # What is stored is asked for side by side: a day has few bars, and most of an answer is its way.
        with ThreadPoolExecutor(len(bars) or 1, "stored bars") as pool:
            found = list(pool.map(lambda resolution: self._whole(resolution, day), bars))
        lacking = {}
        for (resolution, table), stored in zip(bars.items(), found, strict=True):
            if stored is not None and _same(stored, table):
                continue
            if stored is None or _strays(stored, table):
                with lease.deleting():
                    self._delete(lease, resolution, day)
            if table.num_rows > 0:
                lacking[resolution] = table
        return lacking

    def _whole(self, resolution: Resolution, day: dt.date) -> pa.Table | None:
        """Return a day's stored bars, or None where some of its points are no whole bars."""
        try:
            return self.read(resolution, *day_bounds(day))
        except StoreMismatchError:
            return None

    def _delete(self, lease: DayLease, resolution: Resolution, day: dt.date) -> None:
        """Delete a day's bars and prove that none is left."""
        bucket, what = self._bucket(resolution), f"the {resolution.name} bars of {day}"
        until_gone(
            lambda: self._delete_range(lease, bucket, *day_bounds(day), what),
            lambda: self._count(resolution, day),
            f"{what} in InfluxDB at {self._connection.address.url}",
        )

    def _delete_range(self, lease: DayLease, bucket: str, start: int, end: int, what: str) -> None:
        delete_range(
            self._connection.guarded(lease.check),
            bucket,
            BARS_MEASUREMENT,
            start,
            end,
            doing=f"delete {what}",
            patience=self._plan.deadline,
        )

    def _count(self, resolution: Resolution, day: dt.date) -> int:
        """Count the points of a day's bars, whole ones or not."""
        part = whole_part(*day_bounds(day))
        if part is None:
            return 0
        found = field_counts(self._asker, BARS_SHAPE, self._bucket(resolution), part, name="bar_counts")
        return sum(max(fields.values()) for fields in found.values())

    def _bucket(self, resolution: Resolution) -> str:
        return self._layout.bars[resolution.name].name

    def _fit_a_page(self, resolution: Resolution, part: Part) -> bool:
        """Return whether the bars of all symbols are so few that there is no need to count them first."""
        each = _most_bars(resolution, part)
        # To ask the index for its symbols costs the server next to nothing beside a count.
        return each <= PAGE_ROWS and each * len(self._symbols(self._bucket(resolution))(part)) <= PAGE_ROWS

    def _symbols(self, bucket: str) -> Callable[[Part], list[str]]:
        return lambda part: stored_symbols(self._asker, BARS_SHAPE, bucket, part)


def _most_bars(resolution: Resolution, part: Part) -> int:
    """Return how many bars a symbol has at most in a part."""
    return -(-(part.end - part.start) // cast("int", resolution.duration))


def _coverage(bucket: str, part: Part) -> str:
    """Return Flux for bars and trades by day."""
    return "\n".join(
        f"{flux_points(BARS_SHAPE, bucket, part, 'trades')}\n"
        f'|> aggregateWindow(every: 1d, fn: {function}, createEmpty: false, timeSrc: "_start"){KEPT}\n'
        f'|> yield(name: "{name}")'
        for name, function in (("bars", "count"), ("trades", "sum"))
    )


def _by_day(found: pa.Table) -> pa.Table:
    """Turn one row a figure into one row a day and symbol."""
    symbols = pl.Series("symbol", symbols_of_texts(found["symbol"]).cast(pa.string()).to_pylist(), pl.String)
    long = cast("pl.DataFrame", pl.from_arrow(found.select(["result", "_time", "_value"]))).with_columns(symbols)
    days = long.with_columns(day=pl.col("_time").dt.date(), value=pl.col("_value").cast(pl.Int64, strict=False))
    for day, symbol, value in days.filter(pl.col("value").is_null()).select("day", "symbol", "_value").head(1).rows():
        raise StoreMismatchError(
            f"InfluxDB holds bars of {symbol} on {day} whose trades add up to {value}, which is no whole number. "
            "Another program wrote them: delete them with its help, then run `ohlcv bars heal`."
        )
    # A day that was asked about in parts comes in several rows.
    wide = days.pivot(
        on="result", on_columns=["bars", "trades"], index=["day", "symbol"], values="value", aggregate_function="sum"
    )
    return wide.select(COVERAGE.names).sort("day", "symbol").to_arrow().cast(COVERAGE)


def _keys(bars: pa.Table) -> pl.DataFrame:
    frame = cast("pl.DataFrame", pl.from_arrow(bars.select(["symbol", "ts"])))
    return frame.with_columns(pl.col("symbol").cast(pl.String))


def _strays(stored: pa.Table, bars: pa.Table) -> bool:
    """Return whether a stored bar has a key that none of the new ones has."""
    return not _keys(stored).join(_keys(bars), on=["symbol", "ts"], how="anti").is_empty()


def _same(stored: pa.Table, bars: pa.Table) -> bool:
    """Return whether two sorted tables hold the same bars to the last bit."""
    fields = BARS.names[2:]
    return _keys(stored).equals(_keys(bars)) and bool(stored.select(fields).equals(bars.select(fields)))
