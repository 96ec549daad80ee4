"""The live board of a backfill."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from ohlcv_assets.cli.board import STAGE, Board
from ohlcv_assets.progress import Progress

pytestmark = pytest.mark.unit


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


def drawn(board: Board) -> str:
    """Return the board as text."""
    out = io.StringIO()
    Console(file=out, width=120).print(board)
    return out.getvalue()


def finished(day: str, done: int, total: int | None = 4, **detail: float | str) -> Progress:
    """Return the event of a finished day."""
    return Progress(STAGE, day, done, total, "days", detail)


def test_days_trades_rate_and_time_left_are_told() -> None:
    """After two of four days in ten seconds, ten are left."""
    clock = Clock()
    board = Board(4, clock, unicode=True)
    assert "0/4 days  0 trades" in drawn(board)
    clock.now = 10.0
    board(finished("2024-01-02", 1, trades=1_000_000))
    board(finished("2024-01-03", 2, None, trades=500_000))
    text = drawn(board)
    assert "2/4 days  1.5M trades  150.0k/s  10.0 s left" in text
    assert "━" * 16 + "─" * 16 in text
    assert "failed" not in text


def test_steps_under_way_are_shown_until_their_day_is_done() -> None:
    """Each day under way has a line with its step and how far it is."""
    board = Board(2, unicode=False)
    board(Progress("load", "2024-01-02", 400_000, 800_000, "trades"))
    board(Progress("check", "2024-01-03", 0, None, "checks"))
    board(Progress("write", "2024-01-04", 0, 0, "trades"))
    text = drawn(board)
    assert "2024-01-02 load     ########-------- 400.0k/800.0k trades" in text
    assert "2024-01-03 check" in text
    board(finished("2024-01-02", 1))
    assert "2024-01-02" not in drawn(board)


def test_failures_stay_in_sight() -> None:
    """The number of failed days and the latest reasons are shown; markup in a reason is text."""
    board = Board(8)
    for number in range(1, 8):
        board(finished(f"2024-01-0{number}", number, 8, error=f"reason [{number}]"))
    text = drawn(board)
    assert "7 failed" in text
    assert "2024-01-07 failed: reason [7]" in text
    assert "reason [1]" not in text
    assert len(board.failures) == 7


def test_nothing_to_do_is_full() -> None:
    """A board of no days divides nothing by zero."""
    assert "0/0 days" in drawn(Board(0))
