"""`ohlcv plan`: how many trades each symbol has on each day.

What belongs here: showing the plan by month and by symbol. What does not: planning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ohlcv_assets.cli.context import AsJson, request_of
from ohlcv_assets.cli.output import number, show, show_fitting, show_json, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ohlcv_assets.market.plan import Plan
    from ohlcv_assets.sources.base import TradeSource


def plan(
    ctx: typer.Context,
    *,
    total: Annotated[int | None, typer.Option(help="Trades over all days (OHLCV_TOTAL_TRADES).")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything generated (OHLCV_SEED).")] = None,
    spread: Annotated[
        str | None, typer.Option(help="How trades are spread over the year: activity, uniform or seasonal.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show how many trades each month and each symbol has, without making any."""
    project = request_of(ctx).project(total_trades=total, seed=seed, spread=spread)
    made = _plan_of(project.source)
    months, symbols = made.by_month().to_pylist(), made.by_symbol().to_pylist()
    if as_json:
        about = {"dataset": project.dataset.name, "first": made.days[0], "last": made.days[-1], "total": made.total}
        show_json({**about, "months": months, "symbols": symbols})
        return
    show(
        f"Dataset {project.dataset.name}: {number(made.total)} trades, {len(made.universe.names)} symbols, "
        f"{made.days[0]} to {made.days[-1]} ({len(made.days)} days)."
    )
    _show_months(months)
    _show_symbols(symbols)


def _plan_of(source: TradeSource) -> Plan:
    import numpy as np

    from ohlcv_assets.market.plan import Plan

    columns = [source.counts(day) for day in source.days]
    counts = [[column.get(name, 0) for column in columns] for name in source.universe.names]
    return Plan(source.universe, source.days, np.array(counts, dtype=np.int64))


def _show_months(months: Sequence[Mapping[str, object]]) -> None:
    made = table("By month", ("month", "days", "trades", "quietest day", "busiest day"), right=_FIGURES)
    for row in months:
        figures = (number(int(str(row[name]))) for name in ("days", "trades", "least", "most"))
        made.add_row(str(row["month"]), *figures)
    show_fitting(made, ("days",))


def _show_symbols(symbols: Sequence[Mapping[str, object]]) -> None:
    columns = ("symbol", "class", "days", "trades", "share", "quietest day", "busiest day")
    made = table("By symbol", columns, right=_FIGURES)
    for row in symbols:
        figures = [number(int(str(row[name]))) for name in ("days", "trades", "least", "most")]
        share = f"{float(str(row['share'])):.2%}"
        made.add_row(str(row["symbol"]), str(row["asset_class"]), *figures[:2], share, *figures[2:])
    show_fitting(made, ("class", "days", "quietest day", "busiest day"))


_FIGURES = ("days", "trades", "share", "quietest day", "busiest day")
