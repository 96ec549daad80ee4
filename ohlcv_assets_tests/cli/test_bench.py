"""`ohlcv bench`: figures as a table, Markdown or JSON; kept results and regressions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ohlcv_assets.bench import bars_year, influx, influx_bars, influx_bulk, influx_sweep, runner, year
from ohlcv_assets.bench.figures import Figure
from ohlcv_assets.bench.influx_sweep import Sweep, SweepRow
from ohlcv_assets.bench.serving import run
from ohlcv_assets.bench.serving.run import Plan
from ohlcv_assets.stores.influxdb.writer import LoadPlan
from ohlcv_assets_tests.commands import Ohlcv

pytestmark = pytest.mark.unit


def figures(rate: float) -> list[Figure]:
    """Return what a benchmark may give."""
    return [
        Figure("bars", "1m", rate, "trades/s", 20e6, "pandas", 4.0, "fastest of 5"),
        Figure("backfill", "a day", 1.5, "s", None, "", None, "2 workers"),
    ]


IN_FORCE = LoadPlan(batch_lines=20_000)
FASTER = LoadPlan(batch_lines=35_000, connections=3, compression="gzip", memory=64_000_000)


def spread() -> list[Figure]:
    """Return what the benchmark on a server may give: a median with its spread."""
    return [Figure("load", "native", 4e5, "trades/s", 3e5, "inch", 1.25, "InfluxDB v2.9.1", (3.5e5, 4.5e5))]


def swept(best: LoadPlan) -> Sweep:
    """Return what a sweep may give, on a server elsewhere and on one of this machine."""
    rows = (
        SweepRow(FASTER, (3e5, 4e5), 0.3, None, (4e5, 5e5, 6e5)),
        SweepRow(IN_FORCE, (2e5,), 0.25, 4.5, (3e5, 4e5, 5e5)),
        SweepRow(LoadPlan(batch_lines=5_000), (1e5,), 0.5, 5.5),
    )
    return Sweep(rows, IN_FORCE, best)


def answered(store: str, plan: Plan) -> list[Figure]:
    """Return what the benchmark of the service may give."""
    return [
        Figure("bars over HTTP", f"of {store} by {plan.repeats}", 9.5, "ms", 10, "", None, "500 ranges", (8.0, 30.0)),
        Figure("ranges", "1m, a day", 9.0, "ms", None, "", None, "p50"),
    ]


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let benchmarks take no time: what they measure is tested where they are."""
    monkeypatch.setattr(runner, "run_cases", lambda *_, **__: figures(25e6))
    monkeypatch.setattr(year, "measure_backfill", lambda *_, **__: figures(15e6))
    monkeypatch.setattr(influx, "measure_influx", lambda *_, **__: spread())
    monkeypatch.setattr(influx_bars, "measure_bars", lambda *_, **__: spread())
    monkeypatch.setattr(bars_year, "measure_year_of_bars", lambda *_, days, **__: figures(days * 1e6))
    monkeypatch.setattr(run, "measure_api", lambda overrides, _, plan, __: answered(str(overrides.get("store")), plan))
    monkeypatch.setattr(influx_sweep, "sweep_influx", lambda *_, **__: swept(FASTER))


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


@pytest.mark.parametrize("name", ["influx", "bars"])
def test_a_benchmark_on_a_server_shows_the_spread(ohlcv: Ohlcv, tmp_path: Path, name: str) -> None:
    """A median stands with the least and the largest value; peer, method and server's version are told."""
    shown = ohlcv("--data-dir", str(tmp_path), "bench", name)
    assert shown.code == 0
    for text in (
        "load: native",
        "400,000 trades/s (350,000 to 450,000)",
        "at least 300,000",
        "inch",
        "InfluxDB v2.9.1",
    ):
        assert text in shown.out


def test_bars_of_many_days(ohlcv: Ohlcv, tmp_path: Path) -> None:
    """``--days`` measures whole days in every store; a number of trades does not go with it."""
    shown = ohlcv("--data-dir", str(tmp_path), "bench", "bars", "--days", "7")
    assert "7.0 million trades/s" in shown.out
    refused = ohlcv("--data-dir", str(tmp_path), "bench", "bars", "--days", "7", "--trades", "5000")
    assert (refused.code, refused.out) == (2, "")
    assert "leave --trades away" in refused.err


def test_a_sweep_tells_the_settings_to_keep(ohlcv: Ohlcv, tmp_path: Path) -> None:
    """A row for all that was tried, which are in force, by how much the best wins, and lines for .env."""
    shown = ohlcv("--data-dir", str(tmp_path), "bench", "influx", "--sweep")
    assert shown.code == 0
    lines = shown.out.splitlines()
    assert _cells(lines, "20,000")[:6] == ["in force", "none", "20,000", "4", "128 MB", "400,000"]
    assert _cells(lines, "35,000") == ["gzip", "35,000", "3", "64 MB", "500,000", "400,000", "600,000", "0.30"]
    assert _cells(lines, " 5,000")[-2:] == ["0.50", "5.50"]
    assert "in every round, by 25% in the median." in shown.out
    for setting in ("BATCH_LINES=35000", "CONNECTIONS=3", "COMPRESSION=gzip", "MEMORY=64MB"):
        assert f"OHLCV_INFLUX_{setting}" in lines
    assert "cores" in lines[-1]
    assert not list(tmp_path.iterdir())


def _cells(lines: list[str], part: str) -> list[str]:
    """Return the cells of the row that holds some text."""
    (row,) = (line for line in lines if part in line and "MB" in line)
    return [cell.strip() for cell in row.split("  ") if cell.strip()]


def test_a_sweep_as_json(ohlcv: Ohlcv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One document: settings tried, in force and to keep, and whether the differences are noise."""
    monkeypatch.setattr(run, "measure_api", lambda overrides, _, plan, __: answered(str(overrides.get("store")), plan))
    monkeypatch.setattr(influx_sweep, "sweep_influx", lambda *_, **__: swept(IN_FORCE))
    document = ohlcv("--data-dir", str(tmp_path), "bench", "influx", "--sweep", "--json").document
    assert document["within_noise"] is True
    assert document["in_force"]["batch_lines"] == 20_000
    assert document["rows"][0]["rate"] == 5e5
    assert document["settings"][0] == "OHLCV_INFLUX_BATCH_LINES=20000"
    assert document["machine"]["cores"] >= 1


def test_bulk_loading_instead(ohlcv: Ohlcv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--bulk` measures that in place of lines, and goes without `--sweep`."""
    row = Figure("bulk", "a day in bulk", 7e6, "trades/s", None, "", None, "any")
    monkeypatch.setattr(influx_bulk, "measure_bulk", lambda *_, **__: [row])
    shown = ohlcv("--data-dir", str(tmp_path), "bench", "influx", "--bulk")
    assert shown.code == 0
    assert "a day in bulk" in shown.out
    refused = ohlcv("--data-dir", str(tmp_path), "bench", "influx", "--bulk", "--sweep")
    assert (refused.code, refused.out) == (2, "")
    assert "give one of the two" in refused.err


@pytest.mark.parametrize("option", [("--save", "a"), ("--compare", "a"), ("--markdown",)])
def test_a_sweep_keeps_nothing(ohlcv: Ohlcv, tmp_path: Path, option: tuple[str, ...]) -> None:
    """Options that mean nothing to it are refused before anything is loaded."""
    shown = ohlcv("--data-dir", str(tmp_path), "bench", "influx", "--sweep", *option)
    assert (shown.code, shown.out) == (2, "")
    assert "--sweep keeps and compares nothing" in shown.err


@pytest.mark.parametrize("sweep", [(), ("--sweep",)])
def test_without_a_server_it_is_one_sentence(
    ohlcv: Ohlcv, tmp_path: Path, sweep: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What to set is told, and no folder is left."""
    monkeypatch.undo()
    shown = ohlcv("--data-dir", str(tmp_path / "data"), "bench", "influx", *sweep)
    assert (shown.code, shown.out) == (2, "")
    assert "set OHLCV_INFLUX_URL" in shown.err
    assert len(shown.err.strip().splitlines()) == 1
    assert not list((tmp_path / "data").iterdir())


def test_the_service_has_a_table_of_ranges(ohlcv: Ohlcv, tmp_path: Path) -> None:
    """Figures in one table, resolutions and spans in another; any store; the data folder stays as it is."""
    place = ("--data-dir", str(tmp_path), "bench", "api", "--repeats", "7")
    shown = ohlcv(*place, "--store", "memory")
    assert shown.code == 0
    for text in ("of memory by 7", "9.5 ms (8 to 30)", "at most 10 ms", "500 ranges", "a day", "9 ms"):
        assert text in shown.out
    assert "ranges: 1m" not in shown.out
    assert "of None by 7" in ohlcv(*place).out
    assert "\n|  | a day |\n|---|---|\n| 1m | 9 ms |" in ohlcv(*place, "--markdown").out
    assert not list(tmp_path.iterdir())


def test_single_stages_of_the_service_are_measured(
    ohlcv: Ohlcv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what is posted; a table of ranges that were not measured is not shown."""
    plans: list[Plan] = []

    def measure(_: object, __: object, plan: Plan, ___: object) -> list[Figure]:
        plans.append(plan)
        return figures(25e6)

    monkeypatch.setattr(run, "measure_api", measure)
    place = ("--data-dir", str(tmp_path), "bench", "api", "--stage", "live", "--stage", "page")
    shown = ohlcv(*place, "--rate", "9", "--listeners", "3", "--seconds", "100")
    assert "bars: 1m" in shown.out
    assert (plans[0].stages, plans[0].load.rate, plans[0].load.listeners) == (["live", "page"], 9, 3)
    assert plans[0].load.seconds == 50
