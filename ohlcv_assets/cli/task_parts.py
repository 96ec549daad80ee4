"""What the commands about tasks share: which resolutions are meant, the heading of documents.

What belongs here: the options that all of them have. What does not: any particular command, the way to the server
(``influx_tasks``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ohlcv_assets.settings import Settings

Named = Annotated[
    list[str] | None,
    typer.Argument(metavar="[RESOLUTION]...", help="1m, 5m, 15m, 1h or 1d; all where none is named."),
]
Resolutions = Annotated[
    list[str] | None, typer.Option("--resolution", "-r", help="The same; may be given several times.")
]


def named(names: Sequence[str] | None, options: Sequence[str] | None) -> tuple[str, ...]:
    """Return the resolutions that are meant, each once: those named after the command and by the option."""
    return tuple(dict.fromkeys([*(names or ()), *(options or ())]))


def heading(settings: Settings) -> dict[str, object]:
    """Return what every document begins with."""
    from ohlcv_assets.influx_parts import influx_address

    return {"url": influx_address(settings).url, "org": settings.influx_org, "dataset": settings.dataset}
