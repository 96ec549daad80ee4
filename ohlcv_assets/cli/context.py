"""What every command starts from: the settings in force and the project they describe.

What belongs here: turning options into settings, and opening the project. What does not: output.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ohlcv_assets.errors import SettingsError

if TYPE_CHECKING:
    from ohlcv_assets.project import Project
    from ohlcv_assets.settings import Settings

From = Annotated[str | None, typer.Option("--from", metavar="DAY", help="First day, YYYY-MM-DD or YYYY-MM.")]
To = Annotated[str | None, typer.Option("--to", metavar="DAY", help="Last day, included; YYYY-MM-DD or YYYY-MM.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, and nothing else.")]


@dataclass(frozen=True, slots=True)
class Request:
    """What the options before the command said: settings by name."""

    overrides: Mapping[str, Any] = field(default_factory=dict)  # Any: validated by the settings

    def settings(self, **more: Any) -> Settings:  # Any: as above
        """Return the settings in force, a command's own options on top, and set up the log accordingly."""
        from ohlcv_assets.logs import configure_logs
        from ohlcv_assets.settings import load_settings

        given = dict(self.overrides) | {name: value for name, value in more.items() if value is not None}
        settings = load_settings(**given)
        configure_logs(settings.log_format, settings.log_level)
        return settings

    def project(self, **more: Any) -> Project:  # Any: as above
        """Return the project in force; cheap, no store is opened."""
        from ohlcv_assets.project import open_project

        return open_project(self.settings(**more))


def request_of(ctx: typer.Context) -> Request:
    """Return what the options before the command said."""
    found = ctx.find_object(Request)
    return Request() if found is None else found


def split_assignment(text: str) -> tuple[str, str]:
    """Return name and value of ``NAME=VALUE``; the name may be written as the environment variable.

    Raises
    ------
    SettingsError
        There is no equals sign.
    """
    name, separator, value = text.partition("=")
    if not separator:
        raise SettingsError(f"--set {text!r} has no value; write --set NAME=VALUE.")
    return name.strip().lower().removeprefix("ohlcv_"), value
