"""`ohlcv bench api`: how quickly the HTTP service answers.

What belongs here: reading the request and showing the table of ranges. What does not: measuring (``bench.serving``).
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ohlcv_assets.cli.bench import AsMarkdown, Compare, Form, Save, measured
from ohlcv_assets.cli.context import AsJson, request_of
from ohlcv_assets.cli.watch import watching

if TYPE_CHECKING:
    from ohlcv_assets.bench.figures import Figure


_LONGEST: Final = 50.0
"""All trades posted fall into one minute."""


def api(
    ctx: typer.Context,
    *,
    store: Annotated[str | None, typer.Option(help="Store to serve from: duckdb or influxdb (OHLCV_STORE).")] = None,
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="Measure a service that runs already, http://127.0.0.1:8000.")
    ] = None,
    key: Annotated[str | None, typer.Option(metavar="KEY", help="A key for that service.")] = None,
    symbol: Annotated[str | None, typer.Option(help="Symbol to ask for; the busiest round-the-clock one.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Requests of which percentiles are taken.")] = 500,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long the cache is asked.")] = 5.0,
    stage: Annotated[
        list[str] | None, typer.Option(metavar="STAGE", help="bars, cache, ranges, page or live; all if absent.")
    ] = None,
    rate: Annotated[int, typer.Option(min=1, help="Trades posted a second.")] = 5_000,
    listeners: Annotated[int, typer.Option(min=1, help="Listeners to the live stream.")] = 200,
    save: Save = None,
    compare: Compare = None,
    as_markdown: AsMarkdown = False,
    as_json: AsJson = False,
) -> None:
    """Measure how quickly the service answers and shows trades, in a process of its own on the settings' store."""
    from ohlcv_assets.bench.serving.asking import RANGES
    from ohlcv_assets.bench.serving.live import Load
    from ohlcv_assets.bench.serving.run import STAGES, Plan, measure_api

    request = request_of(ctx)
    overrides = {**request.overrides, **({} if store is None else {"store": store})}
    request.settings(store=store)
    load = Load(rate=rate, seconds=min(2 * seconds, _LONGEST), listeners=listeners)
    plan = Plan(url, key, symbol, repeats, seconds, stage or STAGES, load)

    def measure() -> list[Figure]:
        # Nothing is written beside the data, which may be a server's that others use.
        with tempfile.TemporaryDirectory() as folder, watching() as observer:
            return measure_api(overrides, Path(folder), plan, observer)

    measured(ctx, Form(save, compare, as_markdown, as_json, (RANGES,)), measure)
