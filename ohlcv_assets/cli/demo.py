"""`ohlcv demo`: a week of 2024 through the real Dagster job, then a look at it.

What belongs here: the choice of days, symbols and what to show. What does not: how any of it is made or drawn.
"""

from __future__ import annotations

import datetime as dt
import itertools
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ohlcv_assets.cli import backfill
from ohlcv_assets.cli.bars import chart
from ohlcv_assets.cli.context import request_of
from ohlcv_assets.cli.outcome import ExitCode
from ohlcv_assets.cli.output import show
from ohlcv_assets.cli.ranges import days_asked

if TYPE_CHECKING:
    from ohlcv_assets.market.symbols import Symbol, Universe

FIRST: Final = dt.date(2024, 1, 2)
LAST: Final = dt.date(2024, 1, 8)
"""Five sessions and a weekend."""

_NEXT: Final = (
    ("make serve", "the chart: open http://127.0.0.1:8000 in a browser"),
    ("make dev", "Dagster's UI"),
    (".venv/bin/ohlcv bars {symbol} -r 5m --to 2024-01-02 -f chart", "a day closer"),
    (".venv/bin/ohlcv backfill --to 2024-01", "all of January"),
)


def demo(
    ctx: typer.Context,
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Make the week anew, also where other files are there.")
    ] = False,
) -> None:
    """Make a week of 2024, then show its days, two symbols as candles, and what to try next."""
    from ohlcv_assets.reading import Reader

    project = request_of(ctx).project()
    days = days_asked(project.dataset.days, project.dataset.name, str(FIRST), str(LAST))
    result = backfill.run(project, days, force=force)
    backfill.show_result(result)
    if result.interrupted:
        raise typer.Exit(ExitCode.INTERRUPTED)
    if not result.succeeded:
        raise typer.Exit(ExitCode.FAILED)
    reader = Reader(project)
    first, last = reader.span(str(FIRST), str(LAST))
    shown = favourites(project.dataset.universe)
    for symbol in shown:
        show("")
        chart(reader, symbol, "1d", first, last)
    show("", "What to try next:")
    for command, meaning in _NEXT:
        show(f"  {command.format(symbol=shown[0].name):<58} {meaning}")


def favourites(universe: Universe) -> list[Symbol]:
    """Return one symbol of each class: the best known where it is there, the most active otherwise."""
    known = ("AAPL", "BTC-USD")
    ranked = sorted(universe.symbols, key=lambda symbol: (symbol.name not in known, -symbol.activity))
    by_class = sorted(ranked, key=lambda symbol: symbol.asset_class, reverse=True)
    return [next(members) for _, members in itertools.groupby(by_class, key=lambda symbol: symbol.asset_class)]
