"""The live board of a backfill."""

from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console

from ohlcv_assets.cli.board import Board, backfill_board
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
    Console(file=out, width=140).print(board)
    return out.getvalue()


def told(done: int, total: int | None = 4, **detail: float | str) -> Progress:
    """Return an event of a backfill."""
    return Progress("backfill", "days", done, total, "days", detail)


def test_days_trades_rate_and_time_left_are_told() -> None:
    """The figures of the latest event are drawn; time goes on between events."""
    clock = Clock()
    board = Board(4, clock)
    assert "─" * 32 + " 0/4 days  0 trades  0.00 s\n" in drawn(board)
    clock.now = 10.0
    board(told(2, None, trades=1_500_000, trades_per_second=150_000.0, seconds_left=12.0, skipped=1, failed=0))
    clock.now = 12.0
    text = drawn(board)
    assert "━" * 16 + "─" * 16 + " 2/4 days  1.5M trades  150.0k/s  12.0 s  10.0 s left  1 were done before\n" in text
    assert "failed" not in text
    clock.now = 60.0
    assert "left" not in drawn(board)


def test_failures_stay_in_sight() -> None:
    """The number of failed days and the latest reasons are shown; markup in a reason is text."""
    board = Board(8, unicode=False)
    for number in range(1, 8):
        board(told(number, 8, failed=number, last_failure=f"2024-01-0{number}: reason [{number}]"))
        board(told(number, 8, failed=number, last_failure=f"2024-01-0{number}: reason [{number}]"))
    text = drawn(board)
    assert "7 failed" in text
    assert text.count("2024-01-07: reason [7]") == 1
    assert "reason [1]" not in text
    assert text.isascii()


def test_nothing_to_do_is_full() -> None:
    """A board of no days divides nothing by zero."""
    assert "━" * 32 + " 0/0 days" in drawn(Board(0))


def test_the_board_is_live_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a terminal it is drawn on standard error; elsewhere there are log lines."""

    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    with backfill_board(2) as observer:
        observer(told(1, 2, trades=7))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "trades" in captured.err
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with backfill_board(2) as observer:
        observer(told(1, 2, trades=7))
    assert "1/2 days" in terminal.getvalue()
