"""`ohlcv runs`: Dagster's run history.

What belongs here: pruning it. What does not: the runs themselves.
"""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True, help="Care for Dagster's run history.")
