"""x."""

import typer


def demo(ctx: typer.Context) -> None:
    """Show."""
