"""The live board of a backfill: days, trades, rate, time left, failures.

What belongs here: keeping the latest figures and drawing them. What does not: running anything.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ohlcv_assets.cli.output import compact, console, duration, unicode_out
from ohlcv_assets.cli.watch import Lines
from ohlcv_assets.logs import is_terminal

if TYPE_CHECKING:
    from rich.console import Group
    from rich.text import Text

    from ohlcv_assets.progress import Observer, Progress

_WIDTH: Final = 32
_FAILURES_SHOWN: Final = 5


@contextmanager
def backfill_board(days: int) -> Iterator[Observer]:
    """Give an observer of a backfill: a live board on a terminal, log lines elsewhere; always standard error."""
    if not is_terminal(sys.stderr):
        yield Lines()
        return
    from rich.live import Live

    board = Board(days, unicode=unicode_out(sys.stderr))
    with Live(
        get_renderable=board.__rich__, console=console(stderr=True), transient=True, refresh_per_second=8, screen=False
    ):
        yield board


class Board:
    """The latest figures of a backfill, as a picture that is drawn anew several times a second."""

    def __init__(self, days: int, clock: Callable[[], float] = time.monotonic, *, unicode: bool = True) -> None:
        self._clock, self._began = clock, clock()
        self._told = self._began
        self._full, self._empty = ("━", "─") if unicode else ("#", "-")
        self._days, self._done = days, 0
        self._figures: dict[str, float] = {}
        self._failures: dict[str, None] = {}

    def __call__(self, event: Progress, /) -> None:
        """Take notice of how it stands."""
        self._done, self._days = event.done, event.total or self._days
        self._told = self._clock()
        detail = event.detail
        self._figures = {name: float(value) for name, value in detail.items() if isinstance(value, int | float)}
        if "last_failure" in detail:
            self._failures[str(detail["last_failure"])] = None

    def __rich__(self) -> Group:
        """Draw it as it is now."""
        from rich.console import Group
        from rich.text import Text

        failures = [
            Text(f"  {reason}", style="red", no_wrap=True, overflow="ellipsis")
            for reason in list(self._failures)[-_FAILURES_SHOWN:]
        ]
        return Group(self._summary(), *failures)

    def _summary(self) -> Text:
        from rich.text import Text

        now, figures = self._clock(), self._figures
        line = Text.assemble("backfill ", self._bar(), (f" {self._done}/{self._days} days", "bold"))
        line.append(f"  {compact(figures.get('trades', 0))} trades")
        if figures.get("trades_per_second", 0) > 0:
            line.append(f"  {compact(figures['trades_per_second'])}/s")
        line.append(f"  {duration(now - self._began)}", style="dim")
        left = figures.get("seconds_left", 0) - (now - self._told)
        if left > 0:
            line.append(f"  {duration(left)} left", style="cyan")
        if figures.get("skipped", 0) > 0:
            line.append(f"  {figures['skipped']:.0f} were done before", style="dim")
        if figures.get("failed", 0) > 0:
            line.append(f"  {figures['failed']:.0f} failed", style="bold red")
        return line

    def _bar(self) -> Text:
        from rich.text import Text

        filled = round(_WIDTH * min(1.0, self._done / self._days)) if self._days > 0 else _WIDTH
        return Text.assemble((self._full * filled, "green"), (self._empty * (_WIDTH - filled), "dim"))
