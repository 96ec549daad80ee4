"""`ohlcv bars`: the bars of a symbol at any resolution, also drawn as candles.

What belongs here: reading the request, and the chart. What does not: reading (``reading``), formats (``export``) and
drawing (``candles``).
"""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ohlcv_assets.cli.context import request_of
from ohlcv_assets.cli.output import console, remark, unicode_out
from ohlcv_assets.cli.trades import End, Json, Limit, Output, Start
from ohlcv_assets.errors import LakeError

if TYPE_CHECKING:
    import pyarrow as pa

    from ohlcv_assets.cli.candles import Candle
    from ohlcv_assets.market.symbols import Symbol
    from ohlcv_assets.project import Project
    from ohlcv_assets.reading import Reader
    from ohlcv_assets.units import Nanos

_NAMED_MISSING = 5


def bars(
    ctx: typer.Context,
    symbol: Annotated[str, typer.Argument(help="Name of the symbol; `ohlcv plan` lists them.")],
    *,
    resolution: Annotated[
        str, typer.Option("--resolution", "-r", help="1m, 5m, 15m, 30m, 1h, 2h, 4h, 1d, 1W or 1M.")
    ] = "1d",
    start: Start = None,
    end: End = None,
    form: Annotated[
        Literal["table", "csv", "json", "parquet", "chart"], typer.Option("--format", "-f", help="Format.")
    ] = "table",
    as_json: Json = False,
    output: Output = None,
    limit: Limit = None,
) -> None:
    """Show the bars of a symbol: rows, or candles with --format chart."""
    from ohlcv_assets.bars.resolutions import BARS, resolution_of
    from ohlcv_assets.cli.export import Format, Rows, export
    from ohlcv_assets.instants import format_instant
    from ohlcv_assets.reading import Reader

    project = request_of(ctx).project()
    reader = Reader(project)
    found = project.dataset.universe.symbol(symbol)
    chosen = resolution_of(resolution)
    first, last = reader.span(start, end)
    without = days_without_bars(project, found.name, chosen.name, first, last)
    if without:
        named = ", ".join(without[:_NAMED_MISSING]) + (" ..." if len(without) > _NAMED_MISSING else "")
        days = "1 day of this range has" if len(without) == 1 else f"{len(without)} days of this range have"
        remark(f"{days} trades but no bars yet: {named}; `ohlcv backfill` makes them.")
    if form == "chart" and not as_json:
        chart(reader, found, chosen.name, first, last)
        return
    about = {
        "symbol": found.name,
        "resolution": chosen.name,
        "from": format_instant(first),
        "to": format_instant(last),
        "days_missing": without,
    }
    pieces = reader.iter_bars(found.name, chosen.name, first, last, as_="arrow")
    export(Rows("bars", BARS, pieces, about), Format("json" if as_json else form), output, limit)


def days_without_bars(project: Project, symbol: str, resolution: str, first: Nanos, last: Nanos) -> list[str]:
    """Return the days of a range on which a symbol trades but of which the store has no bars."""
    from ohlcv_assets.bars.resolutions import RESOLUTIONS
    from ohlcv_assets.units import Nanos, day_of, days_between

    stored = RESOLUTIONS[resolution]
    while not stored.stored and stored.source is not None:
        stored = RESOLUTIONS[stored.source]
    coverage = project.bar_store.coverage(stored)
    rows = zip(coverage.column("day").to_pylist(), coverage.column("symbol").to_pylist(), strict=True)
    there = {day for day, name in rows if name == symbol}
    asked = days_between(day_of(first), day_of(Nanos(last - 1)))
    return [str(day) for day in asked if day not in there and _trades_on(project, symbol, day)]


def _trades_on(project: Project, symbol: str, day: dt.date) -> bool:
    """Return whether a symbol trades on a day: by its file where there is one, for planning a year takes seconds."""
    with suppress(LakeError):
        return project.lake.inspect(day).counts.get(symbol, 0) > 0
    return project.source.counts(day).get(symbol, 0) > 0


def chart(reader: Reader, symbol: Symbol, resolution: str, first: Nanos, last: Nanos) -> None:
    """Draw a symbol's bars as candles on standard output, as many of the latest as fit."""
    import pyarrow as pa

    from ohlcv_assets.bars.resolutions import BARS
    from ohlcv_assets.cli.candles import Style, draw, fitting
    from ohlcv_assets.instants import format_instant
    from ohlcv_assets.units import Nanos

    target = console()
    kept: pa.Table = BARS.empty_table()
    for piece in reader.iter_bars(symbol.name, resolution, first, last, as_="arrow"):
        kept = _latest(kept, piece, fitting(10**6, target.width))
    if kept.num_rows == 0:
        remark(f"There are no {resolution} bars of {symbol.name} in this range.")
        return
    opens = [Nanos(ts) for ts in kept.column("ts").cast(pa.int64()).to_numpy().tolist()]
    digits = max(0, len(str(symbol.ticks_per_unit)) - 1)
    style = Style(unicode=unicode_out(), colour=not target.no_color)
    first_open, last_open = (format_instant(ts).removesuffix("T00:00:00Z") for ts in (opens[0], opens[-1]))
    target.print(f"{symbol.name} {resolution}, {first_open} to {last_open}", style="bold")
    target.print(draw(candles_of(kept, resolution), digits=digits, width=target.width, style=style))


def candles_of(bars: pa.Table, resolution: str) -> list[Candle]:
    """Return bars as candles, labelled by day or by time of day."""
    import pyarrow as pa

    from ohlcv_assets.cli.candles import Candle
    from ohlcv_assets.instants import format_instant
    from ohlcv_assets.units import Nanos, day_of

    def label(ts: int) -> str:
        day = day_of(Nanos(ts))
        forms = {"1d": f"{day:%b %d}", "1W": f"{day:%b %d}", "1M": f"{day:%Y-%m}"}
        return forms.get(resolution, format_instant(Nanos(ts))[11:16])

    columns = [bars.column(name).to_pylist() for name in ("open", "high", "low", "close", "volume")]
    labels = [label(ts) for ts in bars.column("ts").cast(pa.int64()).to_numpy().tolist()]
    return [Candle(*row) for row in zip(labels, *columns, strict=True)]


def _latest(kept: pa.Table, piece: pa.Table, most: int) -> pa.Table:
    import pyarrow as pa

    both = pa.concat_tables([kept, piece]).unify_dictionaries()
    return both.slice(max(0, both.num_rows - most))
