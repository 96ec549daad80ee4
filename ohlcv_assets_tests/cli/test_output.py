"""Results, remarks, numbers, and progress."""

from __future__ import annotations

import datetime as dt
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from ohlcv_assets.cli import output, watch
from ohlcv_assets.progress import Progress

pytestmark = pytest.mark.unit


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        """Say so."""
        return True


def test_json_carries_days_paths_and_numpy_and_no_nan(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever a command has to say becomes plain JSON."""
    document = {
        "day": dt.date(2024, 3, 15),
        "path": Path("a/b"),
        "count": np.int64(3),
        "nan": float("nan"),
        "rows": ({"x": np.float64("inf")}, None, True),
        "days": (day for day in [1, 2]),
    }
    output.show_json(document)
    assert json.loads(capsys.readouterr().out) == {
        "day": "2024-03-15",
        "path": "a/b",
        "count": 3,
        "nan": None,
        "rows": [{"x": None}, None, True],
        "days": [1, 2],
    }


def test_json_is_indented_for_people_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal gets lines, a pipe gets one."""
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        monkeypatch.setattr(sys, "stdout", stream)
        output.show_json({"a": 1, "b": 2})
    assert terminal.getvalue().count("\n") == 4
    assert pipe.getvalue().count("\n") == 1


def test_colours_on_terminals_that_want_them_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR and pipes get plain text."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    seen = []
    for stream, no_color in ((Terminal(), ""), (Terminal(), "1"), (io.StringIO(), "")):
        monkeypatch.setenv("NO_COLOR", no_color)
        monkeypatch.setattr(sys, "stdout", stream)
        output.show("[red]as it is[/]", output.table("T", ("a", "b"), right=("b",)))
        output.console().print(output.mark(passed=True))
        seen.append(stream.getvalue())
    assert ["\x1b[32m" in text for text in seen] == [True, False, False]
    assert all("[red]as it is[/]" in text for text in seen)


def drawn_on(width: int, monkeypatch: pytest.MonkeyPatch, *, terminal: bool = True) -> str:
    """Return a table of four columns, two of which it can spare, as a terminal or a pipe shows it."""
    stream = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    made = output.table("Title", ("day", "rows", "bytes", ""), right=("rows", "bytes"))
    made.add_row("2024-01-02", "1,174,539", "7,512,345", "ok")
    output.show_fitting(made, ("bytes", "rows"))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("width", "kept", "left_out"),
    [
        (80, ["2024-01-02", "1,174,539", "7,512,345", "ok"], None),
        (32, ["2024-01-02", "1,174,539", "ok"], "bytes"),
        (20, ["2024-01-02", "ok"], "bytes, rows"),
    ],
)
def test_narrow_terminals_lose_columns_that_can_be_spared(
    width: int,
    kept: list[str],
    left_out: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What names a row and how it ended stay whole, and what is left out is said."""
    text = drawn_on(width, monkeypatch)
    assert next(line for line in text.splitlines() if "2024" in line).split() == kept
    assert "Title" in text
    said = "" if left_out is None else f"Left out, for the terminal is narrow: {left_out}.\n"
    assert capsys.readouterr().err == said


def test_a_pipe_gets_every_column(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only terminals are narrow."""
    assert "7,512,345" in drawn_on(20, monkeypatch, terminal=False)


def test_long_texts_wrap_and_figures_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """A column of sentences gives way to the others."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "40")
    made = output.table(None, ("day", "why"), sentences=("why",))
    made.add_row("2024-01-02", "one two three four five six seven eight nine")
    output.show(made)
    assert "2024-01-02" in terminal.getvalue()
    assert "nine" in terminal.getvalue()


def test_marks_without_unicode_are_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """An output that only has ASCII gets words."""
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert (output.mark(passed=True), output.mark(passed=False)) == ("ok", "FAILED")
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    assert (output.mark(passed=True), output.mark(passed=False)) == ("[green]✓[/]", "[red]✗[/]")
    assert not output.unicode_out(object())


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (output.compact(0), "0"),
        (output.compact(9_999), "9,999"),
        (output.compact(12_345), "12.3k"),
        (output.compact(2_500_000), "2.5M"),
        (output.compact(3e9), "3.0G"),
        (output.size(12), "12 B"),
        (output.size(1_500), "1.5 kB"),
        (output.size(7_700_000), "7.7 MB"),
        (output.size(2.5e9), "2.5 GB"),
        (output.duration(0.416), "0.42 s"),
        (output.duration(12.34), "12.3 s"),
        (output.duration(245), "4:05"),
        (output.duration(3_723), "1:02:03"),
        (output.number(1234567), "1,234,567"),
        (output.counted(1, "day"), "1 day"),
        (output.counted(1_000, "day"), "1,000 days"),
    ],
)
def test_numbers_read_well(written: str, expected: str) -> None:
    """Counts, sizes and spans of time are short and unambiguous."""
    assert written == expected


def event(done: int, total: int | None = 10, unit: str = "trades") -> Progress:
    """Return one event."""
    return Progress("load", "2024-01-02", done, total, unit)


def test_progress_is_live_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bars move on standard error and are gone when they are full."""
    terminal, out = Terminal(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(sys, "stdout", out)
    with watch.watching() as observer:
        assert isinstance(observer, watch.Live)
        observer(event(3))
        observer(event(5, None, "bytes"))
        observer._bars.refresh()
        observer(event(10))
        assert observer._tasks == {}
    assert "load 2024-01-02" in terminal.getvalue()
    assert out.getvalue() == ""


def test_progress_is_a_line_now_and_then_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal a stage is logged, and not at every step."""
    with watch.watching() as observer:
        for done in range(5):
            observer(event(done))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("2024-01-02") == 1


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (event(3), "3/10 trades"),
        (event(20_000, None), "20.0k trades"),
        (event(1_000, 2_000, "bytes"), "1.0 kB/2.0 kB"),
    ],
)
def test_amounts_carry_their_unit(one: Progress, expected: str) -> None:
    """Bytes are sizes, everything else is counted."""
    assert watch.amount_of(one) == expected
