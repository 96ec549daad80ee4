"""`ohlcv keys`: who may use the HTTP service.

What belongs here: showing keys and what was done. What does not: keeping them (``api.keys``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ohlcv_assets.cli.context import AsJson, request_of
from ohlcv_assets.cli.output import remark, show, show_json, table

if TYPE_CHECKING:
    from ohlcv_assets.api.keys import Key, KeyFile

app = typer.Typer(no_args_is_help=True, help="Make, list and revoke keys of the HTTP service.")


@app.callback()
def keys() -> None:
    """Make, list and revoke keys of the HTTP service."""


@app.command()
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Who or what uses it; for people.")],
    *,
    role: Annotated[str, typer.Option(help="read, write or admin; each may do what those before it may.")] = "read",
    as_json: AsJson = False,
) -> None:
    """Make a key; it is shown once and kept as a hash."""
    key, text = _file(ctx).create(name, role)
    if as_json:
        show_json({**_shown(key), "key": text})
        return
    typer.echo(text)
    remark(f"This key of the role {key.role} is not shown again; its id is {key.id}.")


@app.command("list")
def list_keys(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """List the keys, without their secrets."""
    found = _file(ctx).keys()
    if as_json:
        show_json({"keys": [_shown(key) for key in found]})
        return
    if not found:
        remark("There are no keys; `ohlcv keys create NAME --role read` makes one.")
        return
    made = table(None, ("id", "name", "role", "created"))
    for key in found:
        made.add_row(key.id, key.name, key.role, key.created)
    show(made)


@app.command()
def revoke(
    ctx: typer.Context,
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id; `ohlcv keys list` shows them.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Take a key back; a running service refuses it within a second."""
    key = _file(ctx).revoke(key_id)
    if as_json:
        show_json({"revoked": _shown(key)})
        return
    show(f"The key {key.id} ({key.name}, {key.role}) is revoked.")


def _file(ctx: typer.Context) -> KeyFile:
    from ohlcv_assets.api.keys import FILE, KeyFile

    return KeyFile(request_of(ctx).settings().data_dir.absolute() / FILE)


def _shown(key: Key) -> dict[str, str]:
    return {"id": key.id, "name": key.name, "role": key.role, "created": key.created}
