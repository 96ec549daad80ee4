"""The live board of a backfill: days, trades, rate, time left, failures, and what is being made.

What belongs here: keeping count of events and drawing them. What does not: running anything.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Final

from ohlcv_assets.cli.output import compact, duration, unicode_out
from ohlcv_assets.cli.watch import amount_of

if TYPE_CHECKING:
    from rich.console import Group
    from rich.text import Text

    from ohlcv_assets.progress import Progress

STAGE: Final = "backfill"
"""Stage of the events that report a finished day; every other stage is a step of a day under way."""

_WIDTH: Final = 32
_FAILURES_SHOWN: Final = 5


class Board:
    """Counts of a backfill, as a picture that is drawn anew several times a second."""

    def __init__(self, days: int, clock: Callable[[], float] = time.monotonic, *, unicode: bool | None = None) -> None:
        self._clock, self._began, self._lock = clock, clock(), Lock()
        self._full, self._empty = ("━", "─") if (unicode_out() if unicode is None else unicode) else ("#", "-")
        self.days, self.done, self.trades = days, 0, 0
        self.failures: list[tuple[str, str]] = []
        self._under_way: dict[str, Progress] = {}

    def __call__(self, event: Progress, /) -> None:
        """Take notice of a step, or of a day that is finished."""
        with self._lock:
            if event.stage != STAGE:
                self._under_way[event.subject] = event
                return
            self._under_way.pop(event.subject, None)
            self.done, self.days = event.done, event.total or self.days
            self.trades += int(event.detail.get("trades", 0))
            if event.detail.get("error"):
                self.failures.append((event.subject, str(event.detail["error"])))

    def __rich__(self) -> Group:
        """Draw it as it is now."""
        from rich.console import Group
        from rich.text import Text

        with self._lock:
            failures = [
                Text(f"  {subject} failed: {reason}", style="red", no_wrap=True, overflow="ellipsis")
                for subject, reason in self.failures[-_FAILURES_SHOWN:]
            ]
            steps = [self._step(subject, event) for subject, event in sorted(self._under_way.items())]
            return Group(self._summary(), *steps, *failures)

    def _summary(self) -> Text:
        from rich.text import Text

        seconds = max(self._clock() - self._began, 1e-9)
        line = Text("backfill ")
        line.append_text(self._bar(self.done, self.days, "green"))
        line.append(f" {self.done}/{self.days} days", style="bold")
        line.append(f"  {compact(self.trades)} trades  {compact(self.trades / seconds)}/s")
        if 0 < self.done < self.days:
            line.append(f"  {duration(seconds / self.done * (self.days - self.done))} left", style="cyan")
        if self.failures:
            line.append(f"  {len(self.failures)} failed", style="bold red")
        return line

    def _step(self, subject: str, event: Progress) -> Text:
        from rich.text import Text

        line = Text(f"  {subject} {event.stage:<9}", style="dim")
        if event.total is not None and event.total > 0:
            line.append_text(self._bar(event.done, event.total, "blue", _WIDTH // 2))
            line.append(f" {amount_of(event)}")
        return line

    def _bar(self, done: int, total: int, style: str, width: int = _WIDTH) -> Text:
        from rich.text import Text

        filled = round(width * min(1.0, done / total)) if total > 0 else width
        return Text.assemble((self._full * filled, style), (self._empty * (width - filled), "dim"))
