"""Figures: targets, the fastest run, kept results and regressions."""

from __future__ import annotations

from pathlib import Path

import pytest

from ohlcv_assets.bench import figures
from ohlcv_assets.bench.figures import Figure
from ohlcv_assets.errors import UserError

pytestmark = pytest.mark.unit


def figure(value: float = 10.0, *, target: float | None = None, unit: str = "trades/s", name: str = "rate") -> Figure:
    """Return a figure for a test."""
    return Figure("case", name, value, unit, target, "peer", 2.0, "method")


@pytest.mark.parametrize(
    ("value", "target", "unit", "met"),
    [(10, 9, "t/s", True), (10, 11, "t/s", False), (10, 11, "s", True), (10, 9, "s", False), (10, None, "s", None)],
)
def test_target(value: float, target: float | None, unit: str, met: bool | None) -> None:
    """A figure meets its target in the direction that is better, and a figure without one says nothing."""
    assert figure(value, target=target, unit=unit).met is met


def test_best_of_returns_the_fastest_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fastest of the runs is reported, with what that run returned."""
    clock = iter([0.0, 3.0, 10.0, 11.0, 20.0, 25.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    results = iter("abc")
    timing, result = figures.best_of(3, lambda: next(results))
    assert (timing.wall, result) == (1.0, "b")


def test_no_run_is_refused() -> None:
    """Zero runs is one sentence, not a division by zero."""
    with pytest.raises(UserError, match="at least one run"):
        figures.best_of(0, lambda: None)


def test_kept_results_come_back(tmp_path: Path) -> None:
    """What is saved under a name is loaded under it, and nothing partial is left."""
    path = figures.save(tmp_path / "new", "v1", [figure()], {"cores": 2})
    assert figures.load(tmp_path / "new", "v1") == [figure()]
    assert list(path.parent.iterdir()) == [path]


def test_unknown_name_lists_the_kept_ones(tmp_path: Path) -> None:
    """Comparing with results that were never kept names those that were."""
    with pytest.raises(UserError, match="none yet"):
        figures.load(tmp_path, "v2")
    figures.save(tmp_path, "v1", [figure()], {})
    with pytest.raises(UserError, match="kept: v1"):
        figures.load(tmp_path, "v2")


@pytest.mark.parametrize("name", ["", "../up", "a b"])
def test_a_name_is_no_path(tmp_path: Path, name: str) -> None:
    """A name that would leave the folder is refused."""
    with pytest.raises(UserError, match="cannot name"):
        figures.save(tmp_path, name, [], {})


@pytest.mark.parametrize("text", ["no json", "{}", '{"figures": [{"x": 1}]}'])
def test_a_foreign_result_file_is_named(tmp_path: Path, text: str) -> None:
    """A file that holds something else is one sentence with its path."""
    (tmp_path / "v1.json").write_text(text)
    with pytest.raises(UserError, match=r"v1\.json is not a file of benchmark results"):
        figures.load(tmp_path, "v1")


def test_regressions_are_told_in_the_right_direction() -> None:
    """A lower rate and a longer time are regressions; figures without a counterpart are passed over."""
    before = [figure(100), figure(2.0, unit="s", name="time"), figure(0, name="zero")]
    now = [figure(80), figure(3.0, unit="s", name="time"), figure(5, name="zero"), figure(1, name="new")]
    rate, time = figures.compare(before, now)
    assert (rate.regression, round(rate.change, 2)) == (True, -0.2)
    assert (time.regression, round(time.change, 2)) == (True, -0.33)
    assert not figures.compare(before, [figure(95)])[0].regression
