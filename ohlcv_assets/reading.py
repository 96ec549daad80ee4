"""Reading a dataset from Python: symbols, trades and bars as frames, lazily and within bounds.

What belongs here: what notebooks and the command line read with. What does not: making or changing anything.

Trades are read from the day files, which need no store and no lock; bars from the store. Ranges are half open and UTC;
a day or a month given as the end is included. Nothing is read before it is asked for, and nothing grows without a
limit: a whole frame has a limit of rows, iterators hand out a piece at a time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, overload

import pyarrow as pa
import pyarrow.compute as pc

from ohlcv_assets.bars.derive import derive
from ohlcv_assets.bars.resolutions import BARS, RESOLUTIONS, Resolution, resolution_of
from ohlcv_assets.errors import InvalidDateError, OutsideDatasetError, UserError
from ohlcv_assets.frames import Frame, When, frame, instant
from ohlcv_assets.instants import format_instant
from ohlcv_assets.market.schema import TRADES
from ohlcv_assets.project import Project, open_project
from ohlcv_assets.settings import load_settings
from ohlcv_assets.units import DAY, Nanos, day_bounds, day_of, day_start, days_between

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

DEFAULT_LIMIT: Final = 10_000_000
_BARS_A_PIECE: Final = 500_000


class Reader:
    """One dataset, opened for reading. Cheap: nothing but its metadata is read until something is asked for.

    Attributes
    ----------
    project
        The parts of the dataset, for who needs more than reading.
    """

    def __init__(self, project: Project) -> None:
        self.project = project

    def __repr__(self) -> str:
        """Say what it is."""
        first, last = self.days[0], self.days[-1]
        return f"<dataset {self.name!r}: {len(self.project.dataset.universe.names)} symbols, {first} to {last}>"

    @property
    def name(self) -> str:
        """Name of the dataset."""
        return self.project.dataset.name

    @property
    def days(self) -> tuple[dt.date, ...]:
        """Every day of the dataset, in order."""
        return self.project.dataset.days

    @overload
    def symbols(self, *, as_: Literal["pandas"] = "pandas") -> pd.DataFrame: ...
    @overload
    def symbols(self, *, as_: Literal["polars"]) -> pl.DataFrame: ...
    @overload
    def symbols(self, *, as_: Literal["arrow"]) -> pa.Table: ...
    def symbols(self, *, as_: Frame = "pandas") -> Any:  # Any: see the overloads
        """Return one row a symbol: symbol, asset_class, calendar, tick_size, lot_size, first_price."""
        rows = [
            {
                "symbol": symbol.name,
                "asset_class": symbol.asset_class,
                "calendar": symbol.calendar,
                "tick_size": 1 / symbol.ticks_per_unit,
                "lot_size": 1 / symbol.lots_per_unit,
                "first_price": symbol.first_price / symbol.ticks_per_unit,
            }
            for symbol in self.project.dataset.universe.symbols
        ]
        return frame(pa.Table.from_pylist(rows), as_)

    @overload
    def trades(
        self,
        symbol: str | Sequence[str],
        start: When | None = ...,
        end: When | None = ...,
        *,
        limit: int = ...,
        as_: Literal["pandas"] = "pandas",
    ) -> pd.DataFrame: ...
    @overload
    def trades(
        self,
        symbol: str | Sequence[str],
        start: When | None = ...,
        end: When | None = ...,
        *,
        limit: int = ...,
        as_: Literal["polars"],
    ) -> pl.DataFrame: ...
    @overload
    def trades(
        self,
        symbol: str | Sequence[str],
        start: When | None = ...,
        end: When | None = ...,
        *,
        limit: int = ...,
        as_: Literal["arrow"],
    ) -> pa.Table: ...
    def trades(
        self,
        symbol: str | Sequence[str],
        start: When | None = None,
        end: When | None = None,
        *,
        limit: int = DEFAULT_LIMIT,
        as_: Frame = "pandas",
    ) -> Any:  # Any: see the overloads
        """Return the trades of one or several symbols with ``start <= ts < end`` as one frame.

        Parameters
        ----------
        symbol
            A name, or several.
        start, end
            The dataset's own first and last day where None; a day or month as ``end`` is included.
        limit
            Refuse to return more rows than this; use ``iter_trades`` for more than memory should hold.
        as_
            ``"pandas"``, ``"polars"`` or ``"arrow"``.

        Returns
        -------
        frame
            Columns symbol, ts (ns, UTC), price, amount, side (+1 buyer-, -1 seller-initiated), trade_id, in order of
            day, symbol and ts.

        Raises
        ------
        UserError
            An unknown symbol, a range outside the dataset, text that is no date, or more rows than ``limit``.
        LakeError
            A day of the range has no usable file.
        """
        names, first, last = self._names(symbol), *self.span(start, end)
        self._refuse_too_many(self._inner_trades(names, first, last), limit, "trades")
        return frame(self._collect(self._trade_pieces(names, first, last), TRADES, limit, "trades"), as_)

    def iter_trades(
        self,
        symbol: str | Sequence[str],
        start: When | None = None,
        end: When | None = None,
        *,
        as_: Frame = "pandas",
    ) -> Iterator[Any]:  # Any: frames of the kind asked for
        """Yield the same trades a day and a symbol at a time, so that memory holds one piece.

        Parameters and errors are those of ``trades``; they are checked before the first piece is asked for.
        """
        names, first, last = self._names(symbol), *self.span(start, end)
        return (frame(piece, as_) for piece in self._trade_pieces(names, first, last))

    @overload
    def bars(
        self,
        symbol: str | Sequence[str],
        resolution: str,
        start: When | None = ...,
        end: When | None = ...,
        *,
        limit: int = ...,
        as_: Literal["pandas"] = "pandas",
    ) -> pd.DataFrame: ...
    @overload
    def bars(
        self,
        symbol: str | Sequence[str],
        resolution: str,
        start: When | None = ...,
        end: When | None = ...,
        *,
        limit: int = ...,
        as_: Literal["polars"],
    ) -> pl.DataFrame: ...
    @overload
    def bars(
        self,
        symbol: str | Sequence[str],
        resolution: str,
        start: When | None = ...,
        end: When | None = ...,
        *,
        limit: int = ...,
        as_: Literal["arrow"],
    ) -> pa.Table: ...
    def bars(
        self,
        symbol: str | Sequence[str],
        resolution: str,
        start: When | None = None,
        end: When | None = None,
        *,
        limit: int = DEFAULT_LIMIT,
        as_: Frame = "pandas",
    ) -> Any:  # Any: see the overloads
        """Return the bars of one or several symbols that open at ``start <= ts < end`` as one frame.

        Parameters
        ----------
        symbol, start, end, limit, as_
            As for ``trades``.
        resolution
            A name in ``bars.resolutions.RESOLUTIONS``, stored or derived at read time.

        Returns
        -------
        frame
            Columns symbol, ts (opening, ns, UTC), open, high, low, close, volume, turnover, trades, imbalance. There
            is no row where there was no trade.

        Raises
        ------
        UserError
            As for ``trades``, or an unknown resolution.
        StoreError
            The store is busy for too long.
        """
        names, chosen, (first, last) = self._names(symbol), resolution_of(resolution), self.span(start, end)
        return frame(self._collect(self._bar_pieces(names, chosen, first, last), BARS, limit, "bars"), as_)

    def iter_bars(
        self,
        symbol: str | Sequence[str],
        resolution: str,
        start: When | None = None,
        end: When | None = None,
        *,
        as_: Frame = "pandas",
    ) -> Iterator[Any]:  # Any: frames of the kind asked for
        """Yield the same bars a stretch of time at a time, so that memory holds one piece; see ``bars``."""
        names, chosen, (first, last) = self._names(symbol), resolution_of(resolution), self.span(start, end)
        return (frame(piece, as_) for piece in self._bar_pieces(names, chosen, first, last))

    def span(self, start: When | None, end: When | None) -> tuple[Nanos, Nanos]:
        """Return a half-open range of instants inside the dataset.

        Raises
        ------
        InvalidDateError
            Text that is no date, or an end that is not after the start.
        OutsideDatasetError
            A range that the dataset does not cover.
        """
        earliest, latest = day_start(self.days[0]), day_bounds(self.days[-1])[1]
        first = earliest if start is None else instant(start, end=False)
        last = latest if end is None else instant(end, end=True)
        for bound, given in ((first, start), (last, end)):
            if not earliest <= bound <= latest:
                raise OutsideDatasetError(
                    f"{given} is outside dataset {self.name!r}; its days run from {self.days[0]} to {self.days[-1]}."
                )
        if last <= first:
            raise InvalidDateError(
                f"The range ends at {format_instant(last)}, not after its start at {format_instant(first)}; "
                "swap or widen the two."
            )
        return first, last

    def require_files(self, first: Nanos, last: Nanos) -> None:
        """Refuse a range before it is read if one of its days has no usable file.

        Raises
        ------
        LakeError
            Naming the first such day.
        """
        for day in days_between(day_of(first), day_of(Nanos(last - 1))):
            self.project.lake.inspect(day)

    def _names(self, symbol: str | Sequence[str]) -> tuple[str, ...]:
        wanted = (symbol,) if isinstance(symbol, str) else tuple(symbol)
        universe = self.project.dataset.universe
        return tuple(sorted({universe.symbol(name).name for name in wanted}))

    def _inner_trades(self, names: tuple[str, ...], first: Nanos, last: Nanos) -> int:
        """Count the trades of the days that lie wholly in a range, from the files' footers."""
        total = 0
        for day in days_between(day_of(first), day_of(Nanos(last - 1))):
            start, end = day_bounds(day)
            if first <= start and end <= last:
                counts = self.project.lake.inspect(day).counts
                total += sum(counts.get(name, 0) for name in names)
        return total

    def _trade_pieces(self, names: tuple[str, ...], first: Nanos, last: Nanos) -> Iterator[pa.Table]:
        for day in days_between(day_of(first), day_of(Nanos(last - 1))):
            for name in names:
                piece = _within(self.project.lake.read(day, [name]), day, first, last)
                if piece.num_rows > 0:
                    yield piece

    def _bar_pieces(
        self, names: tuple[str, ...], resolution: Resolution, first: Nanos, last: Nanos
    ) -> Iterator[pa.Table]:
        def read(stored: Resolution, start: Nanos, end: Nanos) -> pa.Table:
            return self.project.bar_store.read(stored, start, end, names)

        for start, end in _stretches(resolution, first, last, len(names)):
            piece = derive(resolution, read, start, end)
            if piece.num_rows > 0:
                yield piece

    def _collect(self, pieces: Iterator[pa.Table], schema: pa.Schema, limit: int, what: str) -> pa.Table:
        kept, rows = [schema.empty_table()], 0
        for piece in pieces:
            rows += piece.num_rows
            self._refuse_too_many(rows, limit, what)
            kept.append(piece)
        return pa.concat_tables(kept).unify_dictionaries()

    def _refuse_too_many(self, rows: int, limit: int, what: str) -> None:
        if rows > limit:
            raise UserError(
                f"That is at least {rows:,} {what}, over the limit of {limit:,}: narrow the range, raise limit=, or "
                f"take a piece at a time with iter_{what}()."
            )


def open_dataset(name: str | None = None, **settings: Any) -> Reader:  # Any: validated by the settings
    """Open a dataset for reading.

    Parameters
    ----------
    name
        Which dataset; the one that the settings name (``OHLCV_DATASET``) where None.
    **settings
        Any setting by name (``data_dir="..."``), outranking environment and files.

    Raises
    ------
    SettingsError
        A setting cannot be used.
    DatasetError
        There is no such dataset.
    """
    return Reader(open_project(load_settings(dataset=name, **settings)))


def _within(trades: pa.Table, day: dt.date, first: Nanos, last: Nanos) -> pa.Table:
    start, end = day_bounds(day)
    if first <= start and end <= last:
        return trades
    ts = trades.column("ts").cast(pa.int64())
    return trades.filter(pc.and_(pc.greater_equal(ts, pa.scalar(first)), pc.less(ts, pa.scalar(last))))


def _stretches(resolution: Resolution, first: Nanos, last: Nanos, symbols: int) -> Iterator[tuple[Nanos, Nanos]]:
    """Cut a range at UTC midnights so that no stretch has many more bars than a piece should; weeks and months stay."""
    if resolution.duration is None or resolution.duration >= RESOLUTIONS["1d"].duration:  # type: ignore[operator]  # a day has a duration
        yield first, last
        return
    a_day = max(1, symbols * (DAY // resolution.duration))
    stride = max(1, _BARS_A_PIECE // a_day) * DAY
    start = first
    while start < last:
        end = min(last, Nanos(day_start(day_of(start)) + stride))
        yield start, end
        start = end
