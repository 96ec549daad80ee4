"""Cases on a small day: every figure has a value, a method, and a peer measured beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ohlcv_assets.bench.cases import CASES
from ohlcv_assets.bench.figures import Figure
from ohlcv_assets.bench.runner import grid, markdown, row, run_cases
from ohlcv_assets.errors import UserError
from ohlcv_assets.progress import Progress

pytestmark = pytest.mark.integration


def test_every_case_gives_figures_beside_a_peer(tmp_path: Path) -> None:
    """All cases run on one small day, each figure with a positive value and a ratio; progress is told case by case."""
    seen: list[Progress] = []
    figures = run_cases(tmp_path, total=200_000, repeats=1, observer=seen.append)
    assert [event.subject for event in seen] == list(CASES)
    assert {figure.case for figure in figures} == {"generate", "day file", "duckdb", "bars"}
    for figure in figures:
        assert figure.value > 0
        assert figure.peer
        assert figure.ratio is not None
        assert figure.ratio > 0


def test_one_case_alone(tmp_path: Path) -> None:
    """A named case runs without the others."""
    figures = run_cases(tmp_path, ["bars"], total=50_000, repeats=1)
    assert {figure.case for figure in figures} == {"bars"}


def test_unknown_case_names_those_there_are(tmp_path: Path) -> None:
    """A mistyped case is one sentence, and nothing is prepared for it."""
    with pytest.raises(UserError, match="choose of generate, day-file, duckdb, bars"):
        run_cases(tmp_path, ["bar"])
    assert not list(tmp_path.iterdir())


def test_table_shows_target_and_verdict() -> None:
    """A row says what was measured, what was promised, and whether it was kept."""
    rate = Figure("bars", "1m", 25e6, "trades/s", 20e6, "pandas", 4.2, "once")
    size = Figure("day file", "size", 9.0, "bytes/trade", 8.5, "", None, "once")
    free = Figure("bars", "1d", 5.0, "s", None, "", None, "once")
    median = Figure("load", "native", 412_345.6, "trades/s", 3e5, "inch", 1.1, "often", (99.5, 1.25e6))
    assert row(median)["measured"] == "412,346 trades/s (99.5 to 1.2 million)"
    assert row(median)["target"] == "at least 300,000 trades/s"
    assert row(rate)["measured"] == "25.0 million trades/s"
    assert (
        row(Figure("backfill", "rate", 571_428.6, "trades/s", None, "", None, "once"))["measured"] == "571,429 trades/s"
    )
    assert (row(rate)["target"], row(rate)["met"]) == ("at least 20.0 million trades/s", "yes")
    assert (row(size)["target"], row(size)["met"], row(size)["ratio"]) == ("at most 8.5 bytes/trade", "no", "")
    assert (row(free)["target"], row(free)["met"]) == ("", "")


def test_markdown_starts_with_the_machine() -> None:
    """The table of the documentation names the machine and has a row a figure; none at all is an empty table."""
    text = markdown([Figure("bars", "1d", 5.0, "s", None, "", None, "once")], "two cores")
    assert text.splitlines()[0] == "Machine: two cores"
    assert "| bars | 1d | 5 s |" in text
    assert markdown([], "two cores").startswith("Machine: two cores")


def test_figures_of_rows_and_columns_are_a_table_of_their_own() -> None:
    """What is missing is empty; a case of which there is nothing has no table."""
    cells = {"1m, a day": 5.0, "1m, a year": 70.0, "1d, a year": 6.0}
    figures = [Figure("ranges", name, value, "ms", None, "", None, "once") for name, value in cells.items()]
    assert grid(figures) == [["", "a day", "a year"], ["1m", "5 ms", "70 ms"], ["1d", "", "6 ms"]]
    assert grid([]) == []
    text = markdown(figures, "two cores", ("ranges", "none"))
    assert (
        text == "Machine: two cores\n\n|  | a day | a year |\n|---|---|---|\n| 1m | 5 ms | 70 ms |\n| 1d |  | 6 ms |\n"
    )
