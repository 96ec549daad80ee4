"""Backfill, demo, status, report and pruning: a week through the real job, and what is said of it."""

from __future__ import annotations

import datetime as dt
import socket
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ohlcv_assets.cli import demo, main
from ohlcv_assets.cli.context import Request
from ohlcv_assets.cli.status import Standing
from ohlcv_assets.market.symbols import Symbol, Universe
from ohlcv_assets.market.universe import load_universe
from ohlcv_assets.orchestration import backfill as orchestration
from ohlcv_assets.orchestration.backfill import BackfillResult
from ohlcv_assets.orchestration.outcome import DayOutcome
from ohlcv_assets.pipeline import status as pipeline_status
from ohlcv_assets.pipeline.status import BarsThere, DayStatus
from ohlcv_assets.progress import Observer, Progress
from ohlcv_assets.project import Project
from ohlcv_assets_tests.commands import Ohlcv, content_of

WEEK = ("--from", "2024-01-02", "--to", "2024-01-08")


@pytest.mark.e2e
def test_a_week_from_nothing(ohlcv: Ohlcv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo makes a week; again it is skipped; a damaged day fails and is named; history can be cared for."""
    data = tmp_path / "data"
    monkeypatch.setenv("OHLCV_DATA_DIR", str(data))
    monkeypatch.setenv("OHLCV_START", "2024-01-02")
    monkeypatch.setenv("OHLCV_WORKERS", "1")

    shown = ohlcv("demo")
    assert shown.code == 0, shown.err
    for said in ("2024-01-02", "26/26 passed", "7 days made, 0 done before, 0 failed, of 7", "Jan 08", "make dev"):
        assert said in shown.out
    for symbol in ("AAPL", "BTC-USD"):
        assert f"{symbol} 1d, 2024-01-02 to 2024-01-08" in shown.out
    assert "Orchestration took" in shown.err

    again = ohlcv("backfill", *WEEK, "--json")
    assert (again.code, again.document["skipped"], again.document["made"]) == (0, 7, 0)
    assert len(again.document["days"]) == 7

    path = data / "datasets/default/trades/date=2024-01-05/trades.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    found = ohlcv("status", *WEEK, "--json").document
    assert found["states"] == {"complete": 6, "partial": 0, "missing": 0, "failed": 1}
    failed = ohlcv("backfill", *WEEK)
    assert failed.code == 1
    assert "0 days made, 6 done before, 1 failed, of 7" in failed.out
    assert "2024-01-05: " in failed.out
    shown = ohlcv("status")
    assert "6 complete, 1 missing, 1 failed of 8 days" in shown.out
    assert "trades.parquet" in shown.out
    shown = ohlcv("status", "--to", "2024-01-04", "--repair")
    assert "3 complete of 3 days" in shown.out
    assert "now reported failed: 0" in shown.out
    assert "`ohlcv backfill" not in shown.err

    assert ohlcv("runs", "prune", "--days", "0", "--json").document["deleted"] >= 1
    assert "Runs deleted: 0" in ohlcv("runs", "prune").out
    report = ohlcv("report")
    assert "6 of 8" in report.out
    assert "Written to" in report.err
    document = ohlcv("report", "--json").document
    assert Path(document["html"]).is_file()


def result(
    *days: DayOutcome, asked: int | None = None, interrupted: bool = False, report_error: str = ""
) -> BackfillResult:
    """Return what became of a backfill."""
    count = len(days) if asked is None else asked
    return BackfillResult("1a2b", days, count, ("run",), 2, 12.0, interrupted, report_error)


def outcomes(count: int, state: str, **more: object) -> list[DayOutcome]:
    """Return days in a state."""
    first = dt.date(2024, 1, 1)
    return [DayOutcome(first + dt.timedelta(days=n), state, **more) for n in range(count)]  # type: ignore[arg-type]  # tests


@pytest.mark.integration
def test_metrics_are_shown_while_it_runs(ohlcv: Ohlcv, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a port, what the backfill tells can be read as metrics, and the address is said."""
    found: list[str] = []
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def make(_project: Project, days: Sequence[dt.date], *, force: bool, observer: Observer) -> BackfillResult:
        observer(Progress("load", str(days[0]), 5, 5, "trades", {"retries": 2}))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
            found.append(page.read().decode())
        assert not force
        return result(*outcomes(1, "made"))

    monkeypatch.setattr(orchestration, "backfill", make)
    shown = ohlcv("backfill", "--metrics-port", str(port))
    assert shown.code == 0, shown.err
    assert f"Metrics are shown at http://127.0.0.1:{port}/metrics." in shown.err
    assert "ohlcv_load_retries_total 2.0" in found[0]


@pytest.mark.unit
@pytest.mark.parametrize(
    ("given", "code", "says"),
    [
        (result(asked=3, interrupted=True), 130, "Stopped when asked to"),
        (result(*outcomes(40, "failed", error="[disk] full")), 1, "... and 9 more days failed"),
        (result(*outcomes(2, "failed", error="[disk] full")), 1, "2024-01-02: [disk] full"),
        (result(*outcomes(1, "skipped"), report_error="Disk full."), 1, "The report could not be made: Disk full."),
        (result(*outcomes(1, "made", trades=24, checks_passed=21)), 0, "2 a second with every check."),
        (
            result(*outcomes(40, "skipped", trades=1)),
            0,
            "0 days made, 40 done before, 0 failed, of 40; 40 trades in 12.0 s.",
        ),
    ],
)
def test_every_ending_of_a_backfill_is_told(
    ohlcv: Ohlcv, monkeypatch: pytest.MonkeyPatch, given: BackfillResult, code: int, says: str
) -> None:
    """Interrupted, failed, made, skipped: the code and the sentence."""
    monkeypatch.setattr(orchestration, "backfill", lambda *_args, **_options: given)
    for command in (("backfill",), ("--set", "start=2024-01-02", "demo")):
        if command != ("backfill",) and code == 0:
            continue
        shown = ohlcv(*command)
        assert shown.code == code
        assert says in shown.out + shown.err
        assert "Runs of killed processes reported failed: 1." in shown.err


@pytest.mark.unit
def test_high_memory_reaches_the_settings(ohlcv: Ohlcv, monkeypatch: pytest.MonkeyPatch) -> None:
    """Options of the command are settings of the run."""
    seen: dict[str, Any] = {}  # Any: what the fake was given

    def fake(project: object, days: object, *, force: bool, observer: object) -> BackfillResult:
        seen.update(settings=project.settings, days=days, force=force, observer=observer)  # type: ignore[attr-defined]  # a project
        return result(*outcomes(1, "skipped"))

    monkeypatch.setattr(orchestration, "backfill", fake)
    assert ohlcv("backfill", "--high-memory", "--force", "-w", "3", "--to", "2024-01-05").code == 0
    assert (seen["settings"].high_memory, seen["settings"].workers) == (True, 3)
    assert seen["force"] is True
    assert [str(day) for day in seen["days"]] == ["2024-01-04", "2024-01-05"]


@pytest.mark.unit
@pytest.mark.parametrize(
    "words",
    [
        ("backfill", "--from", "2023-01-01"),
        ("backfill", "--from", "yesterday"),
        ("backfill", "--workers", "0"),
        ("demo",),
        ("--set", "workers=0", "backfill"),
        ("report", "--total", "1"),
        ("runs", "prune", "--days", "-1"),
    ],
)
def test_a_wrong_request_starts_nothing(ohlcv: Ohlcv, tiny: Path, words: tuple[str, ...]) -> None:
    """Exit code 2, one sentence, nothing written. The tiny dataset begins after the demo's days."""
    before = content_of(tiny)
    done = ohlcv(*words)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert content_of(tiny) == before


def there(day: dt.date, **more: object) -> DayStatus:
    """Return a complete day, or one that is not in the ways given."""
    whole: dict[str, object] = {
        "planned": 5, "file": "present", "filed": 5, "file_bytes": 100, "store": "proved", "stored": 5,
        "bars": {"1m": BarsThere(3, 5), "1d": BarsThere(1, 5)}, "content_hash": "a",
    }  # fmt: skip
    return DayStatus(day, **(whole | more))  # type: ignore[arg-type]  # fields by name


@pytest.mark.unit
def test_a_day_is_one_of_four_things() -> None:
    """Complete, failed with a reason, missing, or partial."""
    day = dt.date(2024, 1, 5)
    nothing = there(day, file="missing", filed=0, store="missing", stored=0, content_hash="")
    states = [
        Standing(there(day), "old news").state,
        Standing(there(day, file="stale", problem="stale"), None).state,
        Standing(nothing, "killed").state,
        Standing(nothing, None).state,
        Standing(there(day, store="interrupted"), None).state,
    ]
    assert states == ["complete", "failed", "failed", "missing", "partial"]


@pytest.mark.unit
def test_a_long_range_is_shown_by_month(ohlcv: Ohlcv, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than 31 days are summed up by month; so are their failures."""
    days = [dt.date(2024, 1, 1) + dt.timedelta(days=n) for n in range(366)]
    found = [there(day, file="damaged", problem="torn") if day.day % 7 == 0 else there(day) for day in days]
    monkeypatch.setattr(pipeline_status, "status_of", lambda _project, _days: found)
    shown = ohlcv("--set", "start=2024-01-01", "--set", "end=2024-12-31", "status")
    assert "2024-12" in shown.out
    assert "2024-01-07: torn" in shown.out
    assert "... and 17 more days; --from and --to narrow this down." in shown.out


@pytest.mark.unit
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (
            "synthetic",
            [
                "`ohlcv backfill --from 2024-01-02 --to 2024-01-03` makes what is missing.",
                "`ohlcv backfill --force --from 2024-01-04 --to 2024-01-05` makes all these days anew",
            ],
        ),
        ("imported", ["`ohlcv backfill --from 2024-01-02 --to 2024-01-02` makes what is missing."]),
    ],
)
def test_what_to_do_next_fits_what_is_wrong(
    kind: str, said: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files in the way need --force; files of an imported dataset come from no backfill."""
    ways: list[dict[str, object]] = [
        {}, {"store": "missing"}, {"file": "missing", "store": "missing"}, {"file": "damaged"}, {"file": "stale"},
    ]  # fmt: skip
    found = [there(dt.date(2024, 1, 1 + n), problem="so", **way) for n, way in enumerate(ways)]
    project = SimpleNamespace(
        dataset=SimpleNamespace(name="d", kind=kind, days=[day.day for day in found]),
        trade_store=SimpleNamespace(name="memory"),
    )
    monkeypatch.setattr(pipeline_status, "status_of", lambda _project, _days: found)
    monkeypatch.setattr("ohlcv_assets.orchestration.history.failed_days", lambda _project: {})
    monkeypatch.setattr(Request, "project", lambda _request: project)
    assert main(["status"]) == 0
    remarks = capsys.readouterr().err.splitlines()
    assert len(remarks) == len(said)
    assert all(line.startswith(text) for line, text in zip(remarks, said, strict=True))


@pytest.mark.unit
def test_the_demo_shows_one_symbol_of_each_class() -> None:
    """The best known where it is there, the most active otherwise; stocks first."""
    shipped = load_universe()
    assert [symbol.name for symbol in demo.favourites(shipped)] == ["AAPL", "BTC-USD"]
    others = tuple(symbol for symbol in shipped.symbols if symbol.name != "AAPL")
    favourite: list[Symbol] = demo.favourites(Universe(others, "digest"))
    assert favourite[0].activity == max(symbol.activity for symbol in others if symbol.asset_class == "stock")
