"""x."""

import typer


def realism(ctx: typer.Context) -> None:
    """Measure."""
