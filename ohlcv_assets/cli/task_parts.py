"""What the commands about tasks share: which resolutions are meant, the heading of documents.

What belongs here: the options that all of them have. What does not: any particular command, the way to the server
(``influx_tasks``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ohlcv_assets.settings import Settings

Resolutions = Annotated[
    list[str] | None, typer.Option("--resolution", "-r", help="Only the tasks of these: 1m, 5m, 15m, 1h or 1d.")
]


def heading(settings: Settings) -> dict[str, object]:
    """Return what every document begins with."""
    from ohlcv_assets.influx_parts import influx_address

    return {"url": influx_address(settings).url, "org": settings.influx_org, "dataset": settings.dataset}
