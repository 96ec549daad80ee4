"""`ohlcv report`: the report on a dataset, written now.

What belongs here: asking for it and saying where it is. What does not: its content (``pipeline.report``).
"""

from __future__ import annotations

from dataclasses import asdict

import typer

from ohlcv_assets.cli.context import AsJson, request_of
from ohlcv_assets.cli.output import remark, show, show_json


def report(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Write the report on the dataset as Markdown and HTML with plots, and show its text."""
    from ohlcv_assets.pipeline.report import write_report

    made = write_report(request_of(ctx).project())
    if as_json:
        show_json(asdict(made))
        return
    show(made.summary)
    remark(f"Written to {made.markdown} and {made.html}.")
