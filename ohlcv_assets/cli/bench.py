"""`ohlcv bench`: benchmarks.

What belongs here: mounting the benchmarks' own commands. What does not: measuring (``bench``).
"""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True, help="Measure speed, size and realism.")
