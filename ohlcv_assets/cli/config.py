"""`ohlcv config`: the settings in force and where each came from.

What belongs here: showing settings; secrets are masked. What does not: the settings themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ohlcv_assets.cli.context import AsJson, request_of
from ohlcv_assets.cli.output import show, show_json, table

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


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
    fields = type(settings).model_fields
    rows = [
        {"name": name, "value": settings.shown(name), "source": settings.origin(name), "description": field.description}
        for name, field in fields.items()
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
    for name, field in Settings.model_fields.items():
        default = "unset" if field.default is None else f"`{_text(field.default)}`"
        lines.append(f"| `{variable(name)}` | {_allowed(name, field)} | {default} | {field.description} |")
    return "\n".join(lines)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _allowed(name: str, field: FieldInfo) -> str:
    """Say in words what a setting may be, from its JSON schema."""
    from ohlcv_assets.settings import PATTERNS, Settings

    schema = Settings.model_json_schema()["properties"][name]
    if name in PATTERNS:
        return PATTERNS[name].removeprefix("use ").removeprefix("give ")
    if "enum" in schema:
        return ", ".join(f"`{choice}`" for choice in schema["enum"])
    if schema.get("format") == "date":
        return "a day, `YYYY-MM-DD`"
    kind = {"integer": "whole number", "number": "number", "boolean": "`true` or `false`"}.get(
        schema.get("type", ""), "path"
    )
    return kind + _bounds(field)


def _bounds(field: FieldInfo) -> str:
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    found = (
        f"{text} {getattr(rule, name):,}"
        for rule in field.metadata
        for name, text in words.items()
        if hasattr(rule, name)
    )
    said = ", ".join(found)
    return f", {said}" if said else ""
