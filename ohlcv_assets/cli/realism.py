"""`ohlcv realism`: the stylised facts of generated trades, their gates and verdicts.

What belongs here: reading the request and showing the report. What does not: measuring (``generate.realism``).
"""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ohlcv_assets.cli.context import AsJson, From, To, request_of
from ohlcv_assets.cli.outcome import ExitCode
from ohlcv_assets.cli.output import mark, show, show_json, table
from ohlcv_assets.cli.ranges import days_asked
from ohlcv_assets.cli.watch import watching
from ohlcv_assets.errors import DatasetError

if TYPE_CHECKING:
    from ohlcv_assets.generate.realism.report import Report, Row
    from ohlcv_assets.market.symbols import Universe

_OF_EACH_CLASS = 2


def realism(
    ctx: typer.Context,
    *,
    model: Annotated[
        str | None, typer.Option(help="Price model: stochastic-volatility, mean-reverting, or the control gbm.")
    ] = None,
    arrivals: Annotated[str | None, typer.Option(help="When trades arrive: clustered or poisson.")] = None,
    sizes: Annotated[str | None, typer.Option(help="How large they are: pareto-lognormal, lognormal or fixed.")] = None,
    symbols: Annotated[
        str | None,
        typer.Option(metavar="A,B,...", help="Symbols, or all; the two most active of each class if absent."),
    ] = None,
    start: From = None,
    end: To = None,
    days: Annotated[int | None, typer.Option(min=1, help="At most so many days, from the first on.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure how real the generated trades are; exits 1 if a gate is missed, as the control gbm must."""
    from ohlcv_assets.generate.realism.report import measure
    from ohlcv_assets.project import make_generator, open_project

    settings = request_of(ctx).settings(price_model=model, arrivals=arrivals, sizes=sizes)
    dataset = open_project(settings).dataset
    if dataset.kind == "imported":
        raise DatasetError(f"The dataset {dataset.name!r} was imported; realism is measured on generated trades.")
    chosen = _symbols(dataset.universe, symbols)
    asked = days_asked(dataset.days, dataset.name, start, end)[:days]
    with watching() as observer:
        report = measure(make_generator(settings, dataset), chosen, asked, observer)
    if as_json:
        show_json(_document(report, asked))
    else:
        _show(report, asked)
    if not report.passed:
        raise typer.Exit(ExitCode.FAILED)


def _symbols(universe: Universe, text: str | None) -> list[str]:
    if text == "all":
        return list(universe.names)
    if text is not None:
        return [universe.symbol(name.strip()).name for name in text.split(",")]
    active = sorted(universe.symbols, key=lambda symbol: (symbol.asset_class, -symbol.activity, symbol.name))
    classes = itertools.groupby(active, key=lambda symbol: symbol.asset_class)
    return [symbol.name for _, members in classes for symbol in itertools.islice(members, _OF_EACH_CLASS)]


def _document(report: Report, days: tuple[dt.date, ...]) -> dict[str, object]:
    return {
        "strategies": asdict(report.strategies),
        "first": days[0],
        "last": days[-1],
        "passed": report.passed,
        "expected_failures": sorted(report.expected_failures),
        "surprises": [asdict(row) for row in report.surprises],
        "rows": [asdict(row) for row in report.rows],
    }


def _show(report: Report, days: tuple[dt.date, ...]) -> None:
    for symbol, members in itertools.groupby(report.rows, key=lambda row: row.symbol):
        rows = list(members)
        made = table(
            f"{symbol}, {rows[0].sessions} sessions",
            ("statistic", "value", "gate", ""),
            right=("value",),
            sentences=("statistic", "gate"),
        )
        for row in rows:
            made.add_row(row.statistic, f"{row.value:.3f}", row.gate, "" if row.passed is None else mark(row.passed))
        show(made)
    laws = report.strategies
    passed, judged = report.gates_passed
    show(
        f"{laws.price_model}, {laws.arrivals}, {laws.sizes}; {days[0]} to {days[-1]}: {passed} of {judged} gates "
        f"passed, {len(report.rows) - judged} not judged."
    )
    if report.expected_failures:
        _show_control(report)
    elif report.surprises:
        show("Missed: " + "; ".join(_named(report.surprises)))


def _show_control(report: Report) -> None:
    """Say which gates the control missed as it must, and which it passed though it should not."""
    must_miss = report.expected_failures
    missed = [row for row in report.rows if row.passed is False and row.statistic in must_miss]
    show("Missed, as this control must: " + ("; ".join(_named(missed)) if missed else "none") + ".")
    if report.surprises:
        show("Passed, though this control must miss them: " + "; ".join(_named(report.surprises)) + ".")


def _named(rows: list[Row] | tuple[Row, ...]) -> list[str]:
    """Return each statistic once with the symbols it is about."""
    by_statistic: dict[str, list[str]] = {}
    for row in rows:
        by_statistic.setdefault(row.statistic, []).append(row.symbol)
    return [f"{statistic} ({', '.join(symbols)})" for statistic, symbols in by_statistic.items()]
