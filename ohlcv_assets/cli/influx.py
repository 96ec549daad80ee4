"""`ohlcv influx`: an InfluxDB server made ready, and looked at.

What belongs here: what is asked of ``stores.influxdb.setup`` and ``doctor`` by the settings in force, and showing what
they say. What does not: doing it. No secret is ever printed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ohlcv_assets.cli.context import AsJson, request_of
from ohlcv_assets.cli.outcome import ExitCode
from ohlcv_assets.cli.output import remark, show, show_json, table

if TYPE_CHECKING:
    from pydantic import SecretStr

    from ohlcv_assets.settings import Settings
    from ohlcv_assets.stores.influxdb.admin.checkup import Finding, Patient
    from ohlcv_assets.stores.influxdb.admin.rights import Role
    from ohlcv_assets.stores.influxdb.admin.setup import Order, Story
    from ohlcv_assets.stores.influxdb.connection import Address

app = typer.Typer(no_args_is_help=True, help="Make an InfluxDB server ready, and look at it.")

_BRISK: Final = 10.0
"""Seconds until a management call without an answer is given up; nothing here moves many bytes."""

_PATIENCE: Final = 3.0
_WHERE: Final = ("influx_org", "influx_bucket", "influx_ca_file")
_HOW: Final = ("influx_retention", "influx_shard", "influx_bar_retention", "influx_bar_shard")
"""What later commands need as it was here, kept where it was said on the command line; ``_HOW`` once it holds."""

_STYLES: Final[Mapping[str, str]] = {"ok": "green", "warn": "yellow", "fail": "red"}


@app.callback()
def influx() -> None:
    """Make an InfluxDB server ready, and look at it."""


@app.command()
def setup(
    ctx: typer.Context,
    *,
    repair: Annotated[
        bool, typer.Option("--repair", help="Change what differs from the settings: buckets, tokens.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make user, organisation, buckets and tokens; run again, say what differs."""
    from ohlcv_assets.settings import ENV_FILE
    from ohlcv_assets.stores.influxdb.admin.envfile import update_env_file
    from ohlcv_assets.stores.influxdb.admin.setup import set_up

    settings = request_of(ctx).settings()
    path = Path(ENV_FILE)
    written: list[str] = []

    def keep(made: Mapping[str, SecretStr]) -> None:
        written.extend(update_env_file(path, {name: secret.get_secret_value() for name, secret in made.items()}))

    story = set_up(_order(settings, repair=repair), keep)
    written.extend(update_env_file(path, _remembered(settings, holds=not story.drift)))
    story.notes.extend([*_outranked(settings, written), *_of_the_environment(settings, path)])
    if as_json:
        show_json(_document(settings, story, written))
    else:
        _tell(settings, story, written)
    if story.drift:
        raise typer.Exit(ExitCode.FAILED)


@app.command()
def doctor(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Look at the server: reach, rights, buckets, retention, compaction, disk; each line says what to do."""
    from ohlcv_assets.stores.influxdb.admin.doctor import examine

    settings = request_of(ctx).settings()
    findings = examine(_patient(settings))
    worst = next((state for state in ("fail", "warn") if any(found.state == state for found in findings)), "ok")
    if as_json:
        document = {"url": _address(settings).url, "state": worst, "findings": [asdict(found) for found in findings]}
        show_json(document)
    else:
        _show_findings(findings)
    if worst == "fail":
        raise typer.Exit(ExitCode.FAILED)


def _address(settings: Settings) -> Address:
    from dataclasses import replace

    from ohlcv_assets.influx_parts import influx_address

    return replace(influx_address(settings), timeout=_BRISK, patience=_PATIENCE)


def _tokens(settings: Settings) -> dict[Role, SecretStr]:
    given: dict[Role, SecretStr | None] = {
        "load": settings.influx_token,
        "read": settings.influx_read_token,
        "tasks": settings.influx_tasks_token,
    }
    return {role: token for role, token in given.items() if token is not None}


def _order(settings: Settings, *, repair: bool) -> Order:
    from ohlcv_assets.influx_parts import influx_layout
    from ohlcv_assets.stores.influxdb.admin.setup import Order

    return Order(
        address=_address(settings),
        layout=influx_layout(settings),
        dataset=settings.dataset,
        operator=settings.influx_operator_token,
        tokens=_tokens(settings),
        username=settings.influx_username,
        password=settings.influx_password,
        repair=repair,
    )


def _patient(settings: Settings) -> Patient:
    from ohlcv_assets.errors import DatasetError
    from ohlcv_assets.influx_parts import influx_layout
    from ohlcv_assets.project import open_dataset
    from ohlcv_assets.settings import DEFAULT_DATASET, ENV_FILE
    from ohlcv_assets.stores.influxdb.admin.checkup import TRADE_BYTES, Patient

    try:
        days = open_dataset(settings, settings.data_dir.absolute()).days
    except DatasetError:  # not imported yet
        days = ()
    trades = settings.total_trades if settings.dataset == DEFAULT_DATASET else 0
    return Patient(
        address=_address(settings),
        layout=influx_layout(settings),
        dataset=settings.dataset,
        tokens=_tokens(settings),
        operator=settings.influx_operator_token,
        days=(days[0], days[-1]) if days else None,
        expected_bytes=trades * TRADE_BYTES,
        env_file=Path(ENV_FILE),
    )


def _remembered(settings: Settings, *, holds: bool) -> dict[str, str]:
    """Return what later commands must find in ``.env`` to meet this server and these buckets."""
    from ohlcv_assets.settings import variable

    names = (*_WHERE, *_HOW) if holds else _WHERE
    kept = {variable(name): str(getattr(settings, name)) for name in names if settings.origin(name) == "argument"}
    if settings.influx_url is None or settings.origin("influx_url") == "argument":
        kept[variable("influx_url")] = _address(settings).url
    return kept


def _outranked(settings: Settings, written: Sequence[str]) -> list[str]:
    """Say which of the variables just written have another value that outranks ``.env``."""
    from ohlcv_assets.settings import variable

    names = {variable(name): settings.origin(name) for name in type(settings).model_fields}
    return [
        f"{name} is set in the environment too, which outranks .env: unset it there"
        for name in written
        if names[name] == "environment"
    ]


def _of_the_environment(settings: Settings, path: Path) -> list[str]:
    """Say which of the variables that lead to the server are not in ``.env``, where the tokens are."""
    from dotenv import dotenv_values

    from ohlcv_assets.settings import variable

    names = [name for name in ("influx_url", *_WHERE) if settings.origin(name) == "environment"]
    kept = dotenv_values(path)
    return [
        f"{variable(name)} is set in the environment alone: leave it there, or add it to .env"
        for name in names
        if kept.get(variable(name)) != str(getattr(settings, name))
    ]


def _document(settings: Settings, story: Story, written: Sequence[str]) -> dict[str, object]:
    return {
        "url": _address(settings).url,
        "org": settings.influx_org,
        "dataset": settings.dataset,
        **asdict(story),
        "written": list(written),
    }


def _tell(settings: Settings, story: Story, written: Sequence[str]) -> None:
    where = f"InfluxDB at {_address(settings).url}, organisation {settings.influx_org!r}, dataset {settings.dataset!r}"
    if story.drift:
        made = table(
            f"{where}: differs from the settings", ("what", "how", "what to do"), sentences=("how", "what to do")
        )
        for drift in story.drift:
            made.add_row(drift.name, drift.text, drift.remedy)
        show(made)
    for title, lines in (("made", story.made), ("changed", story.changed)):
        for line in lines:
            show(f"{title}: {line}")
    if written:
        show(f"written to .env (readable for you alone): {', '.join(written)}")
    if not (story.drift or story.made or story.changed):
        show(f"{where}: all is as the settings say; nothing was changed.")
    for note in story.notes:
        remark(f"Note: {note}.")
    remark("`ohlcv influx doctor` looks at the server; `ohlcv backfill` loads.")


def _show_findings(findings: Sequence[Finding]) -> None:
    from rich.text import Text

    made = table(None, ("", "what", "found", "what to do"), sentences=("found", "what to do"))
    for found in findings:
        made.add_row(Text(found.state, style=_STYLES[found.state]), found.name, found.text, found.remedy)
    show(made)
