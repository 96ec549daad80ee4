"""`ohlcv trades`: the trades of a symbol.

What belongs here: reading the request. What does not: reading (``reading``) and formats (``export``).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ohlcv_assets.cli.context import request_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from ohlcv_assets.project import Project
    from ohlcv_assets.units import Nanos

Start = Annotated[
    str | None, typer.Option("--from", metavar="WHEN", help="Day, month or instant; the dataset's first day if absent.")
]
End = Annotated[
    str | None,
    typer.Option("--to", metavar="WHEN", help="Day or month, included, or instant, excluded; the last day if absent."),
]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="File to write instead of standard output.")]
Limit = Annotated[int | None, typer.Option(min=0, help="At most so many rows; a table shows 50 unless told otherwise.")]
Json = Annotated[bool, typer.Option("--json", help="Short for --format json.")]


def trades(
    ctx: typer.Context,
    symbol: Annotated[str, typer.Argument(help="Name of the symbol; `ohlcv plan` lists them.")],
    *,
    start: Start = None,
    end: End = None,
    form: Annotated[
        Literal["table", "csv", "json", "parquet"], typer.Option("--format", "-f", help="Format.")
    ] = "table",
    as_json: Json = False,
    source: Annotated[
        Literal["file", "store"],
        typer.Option(help="From the day files, which need no store and know ids, or from the store."),
    ] = "file",
    output: Output = None,
    limit: Limit = None,
) -> None:
    """Show the trades of a symbol from the day files or from the store."""
    from ohlcv_assets.cli.export import Format, Rows, export
    from ohlcv_assets.instants import format_instant
    from ohlcv_assets.market.schema import STORED, TRADES
    from ohlcv_assets.reading import Reader

    project = request_of(ctx).project()
    reader = Reader(project)
    name = project.dataset.universe.symbol(symbol).name
    first, last = reader.span(start, end)
    about = {"symbol": name, "from": format_instant(first), "to": format_instant(last), "source": source}
    if source == "file":
        if limit is None and (as_json or form != "table"):
            reader.require_files(first, last)
        rows = Rows("trades", TRADES, reader.iter_trades(name, first, last, as_="arrow"), about)
    else:
        rows = Rows("trades", STORED, _stored(project, name, first, last), about)
    export(rows, Format("json" if as_json else form), output, limit)


def _stored(project: Project, symbol: str, first: Nanos, last: Nanos) -> Iterator[pa.Table]:
    import pyarrow as pa

    for batch in project.trade_store.scan(first, last, [symbol]):
        yield pa.Table.from_batches([batch])
