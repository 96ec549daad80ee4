"""`ohlcv config`: the settings in force and where each came from.

What belongs here: showing settings; secrets are masked. What does not: the settings themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ohlcv_assets.cli.context import AsJson, request_of
from ohlcv_assets.cli.output import show, show_json, table

if TYPE_CHECKING:
    from collections.abc import Mapping


def config(
    ctx: typer.Context,
    *,
    as_json: AsJson = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Every setting with type and default as a Markdown table.")
    ] = False,
) -> None:
    """Show the settings in force, and where each came from."""
    if markdown:
        typer.echo(markdown_table())
        return
    settings = request_of(ctx).settings()
    rows = [
        {
            "name": name,
            "value": settings.shown(name),
            "source": settings.origin(name),
            "description": type(settings).model_fields[name].description,
        }
        for name in _names()
    ]
    if as_json:
        show_json({"settings": rows})
        return
    from rich.text import Text

    from ohlcv_assets.settings import variable

    made = table("Settings in force", ("variable", "value", "source", "what it is"), sentences=("value", "what it is"))
    for row in rows:
        style = "" if row["source"] == "default" else "bold"
        value = "" if row["value"] is None else str(row["value"])
        made.add_row(variable(str(row["name"])), Text(value, style=style), str(row["source"]), str(row["description"]))
    show(made)


def markdown_table() -> str:
    """Return every setting with its variable, type, default and meaning: the table of docs/settings.md."""
    from ohlcv_assets.settings import Settings, variable

    lines = ["| variable | allowed | default | what it is |", "|---|---|---|---|"]
    for name in _names():
        field = Settings.model_fields[name]
        default = "unset" if field.default in {None, ""} else f"`{_text(field.default)}`"
        lines.append(f"| `{variable(name)}` | {_allowed(name)} | {default} | {field.description} |")
    return "\n".join(lines)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _names() -> list[str]:
    """Return the names of all settings, those of an InfluxDB server, of the HTTP service and its clients last."""
    from ohlcv_assets.client_settings import ClientSettings
    from ohlcv_assets.influx_settings import InfluxSettings
    from ohlcv_assets.serve_settings import ServeSettings
    from ohlcv_assets.settings import Settings

    apart = InfluxSettings.model_fields, ServeSettings.model_fields, ClientSettings.model_fields
    return sorted(Settings.model_fields, key=lambda name: [name in fields for fields in apart[::-1]])


def _allowed(name: str) -> str:
    """Say in words what a setting may be, from its JSON schema."""
    from ohlcv_assets.settings import PATTERNS, Settings

    schema = Settings.model_json_schema()["properties"][name]
    # What may be left unset is a choice between its kind and nothing.
    schema = schema.get("anyOf", [schema])[0]
    if name in PATTERNS:
        return PATTERNS[name].removeprefix("use ").removeprefix("give ")
    if "enum" in schema:
        return ", ".join(f"`{choice}`" for choice in schema["enum"])
    return _KINDS[schema.get("format", schema["type"])] + _bounds(schema)


_KINDS = {
    "boolean": "`true` or `false`",
    "date": "a day, `YYYY-MM-DD`",
    "file-path": "path",
    "integer": "whole number",
    "number": "number",
    "password": "secret",
    "path": "path",
    "string": "text",
}


def _bounds(schema: Mapping[str, Any]) -> str:  # Any: JSON
    words = {
        "minimum": "at least {:,}",
        "exclusiveMinimum": "more than {:,}",
        "maximum": "at most {:,}",
        "exclusiveMaximum": "less than {:,}",
        "minLength": "at least {:,} characters",
    }
    # At least one character goes without saying.
    said = (name for name in words if name in schema and (name, schema[name]) != ("minLength", 1))
    return "".join(f", {words[name].format(schema[name])}" for name in said)
