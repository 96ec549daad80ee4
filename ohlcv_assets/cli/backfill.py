"""x."""

import typer


def backfill(ctx: typer.Context) -> None:
    """Run."""
