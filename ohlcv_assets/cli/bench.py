"""`ohlcv bench`: benchmarks.

What belongs here: reading requests and showing figures. What does not: measuring (``bench``).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ohlcv_assets.cli.context import AsJson, request_of
from ohlcv_assets.cli.outcome import ExitCode
from ohlcv_assets.cli.output import compact, mark, remark, show, show_json, table
from ohlcv_assets.cli.ranges import days_asked
from ohlcv_assets.cli.watch import watching
from ohlcv_assets.errors import DatasetError, UserError
from ohlcv_assets.lake.machine import machine_errors
from ohlcv_assets.progress import Observer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ohlcv_assets.bench.figures import Change, Figure
    from ohlcv_assets.bench.influx_sweep import Sweep
    from ohlcv_assets.bench.machine import Machine
    from ohlcv_assets.bench.strategies import StrategyRow

Save = Annotated[str | None, typer.Option(metavar="NAME", help="Keep the figures under this name.")]
Compare = Annotated[
    str | None, typer.Option(metavar="NAME", help="Set them beside those kept; exits 1 if any got worse by over 15 %.")
]
AsMarkdown = Annotated[bool, typer.Option("--markdown", help="Print the table of docs/performance.md.")]
Total = Annotated[int, typer.Option(min=1000, metavar="TRADES", help="Trades of the whole year.")]

app = typer.Typer(help="Measure speed, size and realism.")


@dataclass(frozen=True, slots=True)
class Form:
    """How figures are shown and kept."""

    save: str | None
    compare: str | None
    as_markdown: bool
    as_json: bool
    grids: Sequence[str] = ()
    """Cases whose figures are a table of rows and columns."""


@app.callback(invoke_without_command=True)
def bench(
    ctx: typer.Context,
    *,
    case: Annotated[
        list[str] | None, typer.Option(metavar="CASE", help="generate, day-file, duckdb or bars; all if absent.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Runs of which the fastest counts.")] = 5,
    total: Total = 300_000_000,
    save: Save = None,
    compare: Compare = None,
    as_markdown: AsMarkdown = False,
    as_json: AsJson = False,
) -> None:
    """Measure the steps of one ordinary day, each beside a named peer in the same run, in a folder of their own."""
    if ctx.invoked_subcommand is not None:
        return
    from ohlcv_assets.bench.runner import run_cases

    _measure(
        ctx,
        Form(save, compare, as_markdown, as_json),
        lambda folder, observer: run_cases(folder, case or (), total=total, repeats=repeats, observer=observer),
    )


@app.command()
def year(
    ctx: typer.Context,
    *,
    days: Annotated[int, typer.Option(min=1, max=366, help="Only the first days of 2024.")] = 366,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 2,
    total: Total = 300_000_000,
    save: Save = None,
    compare: Compare = None,
    as_markdown: AsMarkdown = False,
    as_json: AsJson = False,
) -> None:
    """Measure a whole backfill: every step and check, one Dagster run a day, in a folder of its own (about 6 GB)."""
    from ohlcv_assets.bench.year import measure_backfill

    _measure(
        ctx,
        Form(save, compare, as_markdown, as_json),
        lambda folder, observer: measure_backfill(folder, days=days, total=total, workers=workers, observer=observer),
    )


@app.command()
def influx(
    ctx: typer.Context,
    *,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Find the batch size, connections and compression to keep instead.")
    ] = False,
    bulk: Annotated[
        bool, typer.Option("--bulk", help="Loading in bulk and comparing every trade instead, beside lines and inch.")
    ] = False,
    trades: Annotated[
        int | None, typer.Option(min=1000, metavar="N", help="Trades to load each time; an ordinary day if absent.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds of which the median counts.")] = 5,
    minutes: Annotated[float, typer.Option(min=0, help="Time for --sweep, about.")] = 5.0,
    save: Save = None,
    compare: Compare = None,
    as_markdown: AsMarkdown = False,
    as_json: AsJson = False,
) -> None:
    """Measure loading into InfluxDB and its checks, beside inch and influxdb-client, in buckets that are removed."""
    settings = request_of(ctx).settings()
    if sweep and bulk:
        raise UserError("--sweep finds settings of the line path, which --bulk does not take: give one of the two.")
    if not sweep:
        from ohlcv_assets.bench.influx import measure_influx
        from ohlcv_assets.bench.influx_bulk import measure_bulk

        measure = measure_bulk if bulk else measure_influx
        _measure(
            ctx,
            Form(save, compare, as_markdown, as_json),
            lambda folder, observer: measure(settings, folder, trades=trades, repeats=repeats, observer=observer),
        )
        return
    if save is not None or compare is not None or as_markdown:
        raise UserError("--sweep keeps and compares nothing; leave --save, --compare and --markdown away.")
    from ohlcv_assets.bench.influx_sweep import sweep_influx

    with _workplace(settings.data_dir) as (folder, observer):
        found = sweep_influx(settings, folder, trades=trades, budget=60 * minutes, observer=observer)
    _show_sweep(found, as_json=as_json)


@app.command()
def bars(
    ctx: typer.Context,
    *,
    trades: Annotated[
        int | None, typer.Option(min=1000, metavar="N", help="Trades of the day; those of an ordinary day if absent.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds of which the median counts.")] = 5,
    days: Annotated[
        int | None,
        typer.Option(min=1, max=366, help="Make the bars of the first days of 2024 instead, in every store there is."),
    ] = None,
    save: Save = None,
    compare: Compare = None,
    as_markdown: AsMarkdown = False,
    as_json: AsJson = False,
) -> None:
    """Measure making bars in InfluxDB, by its own Flux and by our roll-up, in buckets that are removed."""
    from ohlcv_assets.bench.bars_year import measure_year_of_bars
    from ohlcv_assets.bench.influx_bars import measure_bars

    settings = request_of(ctx).settings()
    if days is not None and trades is not None:
        raise UserError("--days measures whole days of the year; leave --trades away.")

    def measure(folder: Path, observer: Observer) -> list[Figure]:
        if days is not None:
            return measure_year_of_bars(settings, folder, days=days, observer=observer)
        return measure_bars(settings, folder, trades=trades, repeats=repeats, observer=observer)

    _measure(ctx, Form(save, compare, as_markdown, as_json), measure)


@contextmanager
def _workplace(data_dir: Path) -> Iterator[tuple[Path, Observer]]:
    """Give a folder that is removed at the end, and somebody who shows progress."""
    with machine_errors("measure", data_dir):
        data_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="bench-", dir=data_dir) as folder, watching() as observer:
            yield Path(folder), observer


def _measure(ctx: typer.Context, form: Form, measure: Callable[[Path, Observer], list[Figure]]) -> None:
    def in_workplace() -> list[Figure]:
        with _workplace(request_of(ctx).settings().data_dir) as (folder, observer):
            return measure(folder, observer)

    measured(ctx, form, in_workplace)


def measured(ctx: typer.Context, form: Form, measure: Callable[[], list[Figure]]) -> None:
    """Measure and show what came out, beside what was kept before; exits 1 where something got much worse."""
    from ohlcv_assets.bench import figures as kept
    from ohlcv_assets.bench.machine import this_machine

    data_dir = request_of(ctx).settings().data_dir
    results = data_dir / "bench"
    before = [] if form.compare is None else kept.load(results, form.compare)
    if form.save is not None:
        kept.results_file(results, form.save)
    figures = measure()
    machine = this_machine()
    if form.save is not None:
        remark(f"Kept in {kept.save(results, form.save, figures, asdict(machine))}.")
    changes = kept.compare(before, figures)
    _show_figures(figures, changes, machine, form)
    if any(change.regression for change in changes):
        raise typer.Exit(ExitCode.FAILED)


def _show_figures(figures: Sequence[Figure], changes: Sequence[Change], machine: Machine, form: Form) -> None:
    from ohlcv_assets.bench.runner import grid, markdown, row

    if form.as_json:
        rows = [{**asdict(figure), "met": figure.met} for figure in figures]
        compared = [{**asdict(change), "regression": change.regression} for change in changes]
        show_json({"machine": asdict(machine), "figures": rows, "changes": compared})
        return
    if form.as_markdown:
        show(markdown(figures, machine.line(), form.grids))
        return
    made = table(
        None,
        ("what", "measured", "target", "met", "ratio", "against"),
        right=("measured", "ratio"),
        sentences=("what", "against"),
    )
    for figure in (one for one in figures if one.case not in form.grids):
        cells = row(figure)
        name = f"{cells['case']}: {cells['what']}"
        made.add_row(name, *(cells[key] for key in ("measured", "target", "met", "ratio", "against")))
    show(made)
    for case in form.grids:
        lines = grid([figure for figure in figures if figure.case == case])
        if lines:
            _show_grid(case, lines)
    show(*sorted({f"{figure.case}: {figure.method}" for figure in figures}), machine.line())
    if form.compare is not None:
        _show_changes(changes, form.compare)


def _show_grid(title: str, lines: Sequence[Sequence[str]]) -> None:
    made = table(title, lines[0], right=lines[0][1:])
    for cells in lines[1:]:
        made.add_row(*cells)
    show(made)


def _show_changes(changes: Sequence[Change], name: str) -> None:
    made = table(
        f"against {name}",
        ("what", "before", "now", "change", ""),
        right=("before", "now", "change"),
        sentences=("what",),
    )
    for change in changes:
        worse = "regression" if change.regression else ""
        cells = (f"{change.before:,.4g}", f"{change.now:,.4g}", f"{change.change:+.0%}", worse)
        made.add_row(f"{change.case}: {change.name} ({change.unit})", *cells)
    show(made)


def _show_sweep(sweep: Sweep, *, as_json: bool) -> None:
    from ohlcv_assets.bench.machine import this_machine

    machine = this_machine()
    if as_json:
        rows = [{**asdict(row), "rate": row.rate} for row in sweep.rows]
        document = {"rows": rows, "within_noise": sweep.within_noise, "settings": sweep.lines()}
        show_json({"machine": asdict(machine), "in_force": asdict(sweep.in_force), **document})
        return
    figures = ("lines", "connections", "memory", "trades/s", "from", "to", "client s/million", "server s/million")
    made = table(None, ("", "compression", *figures), right=figures)
    for row in sweep.rows:
        plan, rates = row.plan, row.rounds or row.rates
        made.add_row(
            "in force" if plan == sweep.in_force else "",
            plan.compression,
            f"{plan.batch_lines:,}",
            str(plan.connections),
            f"{plan.memory // 1_000_000} MB",
            *(f"{rate:,.0f}" for rate in (row.rate, min(rates), max(rates))),
            f"{row.client_per_million:.2f}",
            "" if row.server_per_million is None else f"{row.server_per_million:.2f}",
        )
    show(made, sweep.verdict(), *sweep.lines(), machine.line())


@app.command()
def strategies(
    ctx: typer.Context,
    *,
    day: Annotated[
        str | None, typer.Option(metavar="DAY", help="Day that is timed and weighed; an ordinary one if absent.")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Judge realism on so many days, from the first on.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Runs of which the fastest counts.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Compare every strategy of the generator; exits 1 if one is less real, or a control more real, than it must be."""
    from ohlcv_assets.bench.cases import ordinary_day
    from ohlcv_assets.bench.strategies import compare_strategies
    from ohlcv_assets.project import make_generator

    project = request_of(ctx).project()
    dataset = project.dataset
    if dataset.kind == "imported":
        raise DatasetError(f"The dataset {dataset.name!r} was imported; strategies make generated trades.")
    chosen = ordinary_day(project) if day is None else days_asked(dataset.days, dataset.name, day, day)[0]
    generator = make_generator(project.settings, dataset)
    with tempfile.TemporaryDirectory() as folder, watching() as observer:
        rows = compare_strategies(
            generator.plan,
            project.settings.seed,
            chosen,
            Path(folder),
            days=dataset.days[:days],
            repeats=repeats,
            observer=observer,
        )
    if as_json:
        show_json({"dataset": dataset.name, "day": chosen, "rows": [asdict(row) for row in rows]})
    else:
        _show_strategies(rows)
    if not all(row.as_expected for row in rows):
        raise typer.Exit(ExitCode.FAILED)


def _show_strategies(rows: list[StrategyRow]) -> None:
    figures = ("trades/s/core", "bytes/trade", "gates passed")
    made = table(None, ("price model", "arrivals", "sizes", *figures, "as expected"), right=figures)
    for row in rows:
        laws = row.strategies
        made.add_row(
            laws.price_model,
            laws.arrivals,
            laws.sizes,
            compact(row.trades_per_second),
            f"{row.bytes_per_trade:.2f}",
            f"{row.gates_passed}/{row.gates_judged}",
            mark(row.as_expected),
        )
    show(made)
