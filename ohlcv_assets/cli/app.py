"""The `ohlcv` application: options that every command understands, and the list of commands.

What belongs here: assembly. What does not: any command.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from ohlcv_assets.cli import (
    backfill,
    bar_care,
    bench,
    bench_api,
    config,
    demo,
    import_,
    influx,
    keys,
    load,
    plan,
    purge,
    realism,
    replay,
    report,
    runs,
    serve,
    status,
    tasks,
    trades,
    verify,
)
from ohlcv_assets.cli.context import Request, split_assignment
from ohlcv_assets.cli.outcome import MEANINGS

if TYPE_CHECKING:
    from typer.core import TyperGroup

_EPILOG = "Exit codes: " + "; ".join(f"{int(code)} {meaning}" for code, meaning in MEANINGS.items()) + "."
_MAKE, _LOOK, _CARE = "Make", "Look", "Care for it"

app = typer.Typer(
    name="ohlcv",
    help="A year of trades: generated or imported, filed, stored, rolled up to OHLCV bars, and proved.",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"ohlcv {version('ohlcv-assets')}")
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    *,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of all data (OHLCV_DATA_DIR).")] = None,
    dataset: Annotated[str | None, typer.Option(help="Dataset to work on (OHLCV_DATASET).")] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Any setting; may be given several times.")
    ] = None,
    log_format: Annotated[str | None, typer.Option(help="Log lines: auto, human or json (OHLCV_LOG_FORMAT).")] = None,
    log_level: Annotated[
        str | None, typer.Option(help="Least level logged: debug, info, warning or error (OHLCV_LOG_LEVEL).")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,  # noqa: ARG001 -- `outcome` looks for it
    version: Annotated[  # noqa: ARG001 -- its callback answers
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Keep what the options before the command say."""
    named = {"data_dir": data_dir, "dataset": dataset, "log_format": log_format, "log_level": log_level}
    given = dict(split_assignment(text) for text in assignments or ())
    ctx.obj = Request(given | {name: value for name, value in named.items() if value is not None})


app.command("plan", rich_help_panel=_MAKE)(plan.plan)
app.command("import", rich_help_panel=_MAKE)(import_.import_)
app.command("backfill", rich_help_panel=_MAKE)(backfill.backfill)
app.command("load", rich_help_panel=_MAKE)(load.load)
app.command("demo", rich_help_panel=_MAKE)(demo.demo)
app.command("status", rich_help_panel=_LOOK)(status.status)
app.command("trades", rich_help_panel=_LOOK)(trades.trades)
app.add_typer(bar_care.app, name="bars", rich_help_panel=_LOOK)
app.command("report", rich_help_panel=_LOOK)(report.report)
app.command("serve", rich_help_panel=_LOOK)(serve.serve)
app.command("replay", rich_help_panel=_LOOK)(replay.replay)
app.command("config", rich_help_panel=_LOOK)(config.config)
app.command("verify", rich_help_panel=_CARE)(verify.verify)
app.command("realism", rich_help_panel=_CARE)(realism.realism)
app.add_typer(influx.app, name="influx", rich_help_panel=_CARE)
app.add_typer(tasks.app, name="tasks", rich_help_panel=_CARE)
app.add_typer(keys.app, name="keys", rich_help_panel=_CARE)
bench.app.command()(bench_api.api)
app.add_typer(bench.app, name="bench", rich_help_panel=_CARE)
app.command("purge", rich_help_panel=_CARE)(purge.purge)
app.add_typer(runs.app, name="runs", rich_help_panel=_CARE)


@cache
def command() -> TyperGroup:
    """Return the assembled command."""
    return cast("TyperGroup", typer.main.get_command(app))  # which adds shell completion, as get_group does not
