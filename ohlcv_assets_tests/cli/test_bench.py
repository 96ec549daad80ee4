"""`ohlcv bench`: figures as a table, Markdown or JSON; kept results and regressions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ohlcv_assets.bench import runner, year
from ohlcv_assets.bench.figures import Figure
from ohlcv_assets_tests.commands import Ohlcv

pytestmark = pytest.mark.unit


def figures(rate: float) -> list[Figure]:
    """Return what a benchmark may give."""
    return [
        Figure("bars", "1m", rate, "trades/s", 20e6, "pandas", 4.0, "fastest of 5"),
        Figure("backfill", "a day", 1.5, "s", None, "", None, "2 workers"),
    ]


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let benchmarks take no time: what they measure is tested where they are."""
    monkeypatch.setattr(runner, "run_cases", lambda *_, **__: figures(25e6))
    monkeypatch.setattr(year, "measure_backfill", lambda *_, **__: figures(15e6))


def test_figures_are_shown_with_target_peer_and_machine(ohlcv: Ohlcv, tmp_path: Path) -> None:
    """A table says what was measured, what was promised, against what, how, and where; no folder is left."""
    shown = ohlcv("--data-dir", str(tmp_path), "bench")
    assert shown.code == 0
    for text in ("bars: 1m", "25.0 million trades/s", "at least 20.0 million", "pandas", "fastest of 5", "cores"):
        assert text in shown.out
    assert not list(tmp_path.iterdir())


def test_json_is_one_document(ohlcv: Ohlcv, tmp_path: Path) -> None:
    """With --json standard output holds the machine, the figures and the verdict of each."""
    document = json.loads(ohlcv("--data-dir", str(tmp_path), "bench", "--json").out)
    assert document["figures"][0]["met"] is True
    assert document["machine"]["cores"] >= 1
    assert document["changes"] == []


def test_markdown_is_the_table_of_the_documentation(ohlcv: Ohlcv, tmp_path: Path) -> None:
    """With --markdown the table can be pasted into docs/performance.md."""
    shown = ohlcv("--data-dir", str(tmp_path), "bench", "year", "--markdown")
    assert shown.out.startswith("Machine: ")
    assert "| bars | 1m | 15.0 million trades/s |" in shown.out


def test_a_regression_is_shown_and_fails(ohlcv: Ohlcv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures kept under a name are compared with; one that got much worse exits 1, equal ones exit 0."""
    place = ("--data-dir", str(tmp_path))
    assert "Kept in" in ohlcv(*place, "bench", "--save", "v1").err
    same = ohlcv(*place, "bench", "--compare", "v1")
    assert (same.code, "+0%" in same.out, "regression" in same.out) == (0, True, False)
    monkeypatch.setattr(runner, "run_cases", lambda *_, **__: figures(15e6))
    worse = ohlcv(*place, "bench", "--compare", "v1")
    assert (worse.code, "regression" in worse.out) == (1, True)


@pytest.mark.parametrize("option", [("--compare", "none"), ("--save", "../up")])
def test_names_are_looked_at_first(ohlcv: Ohlcv, tmp_path: Path, option: tuple[str, str]) -> None:
    """A name that does not exist, or cannot, is one sentence before anything is measured."""
    shown = ohlcv("--data-dir", str(tmp_path), "bench", *option)
    assert (shown.code, shown.out) == (2, "")
    assert len(shown.err.strip().splitlines()) == 1
