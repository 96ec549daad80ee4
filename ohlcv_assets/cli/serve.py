"""`ohlcv serve`: the HTTP service, until it is stopped.

What belongs here: starting it and saying where it is. What does not: the service (``api``).
"""

from __future__ import annotations

from typing import Annotated

import typer

from ohlcv_assets.cli.context import request_of
from ohlcv_assets.cli.output import remark


def serve(
    ctx: typer.Context,
    *,
    host: Annotated[str | None, typer.Option(help="Address to listen on; 0.0.0.0 for all (OHLCV_SERVE_HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 for any free one (OHLCV_SERVE_PORT).")] = None,
    reload: Annotated[bool, typer.Option("--reload", help="Start anew when code changes; for working on it.")] = False,
) -> None:
    """Serve bars and trades over HTTP until stopped with Ctrl-C."""
    from ohlcv_assets.api.app import create_app
    from ohlcv_assets.api.service import open_service
    from ohlcv_assets.api.serving import address_of, listening, run, run_reloading
    from ohlcv_assets.api.warming import warm_up

    request = request_of(ctx)
    settings = request.settings(serve_host=host, serve_port=port)
    service = open_service(settings)
    listener = listening(settings.serve_host, settings.serve_port)
    address = address_of(listener)
    remark(f"Serving dataset {service.project.dataset.name}: the chart at {address}, the API at {address}/docs.")
    if not service.open_reads and not service.keys.keys():
        remark("Reads need a key, and there is none: `ohlcv keys create NAME --role read` makes one.")
    if reload:
        run_reloading(listener, {**request.overrides, "serve_host": settings.serve_host})
        return
    run(create_app(service), listener, lambda: warm_up(service.project))
