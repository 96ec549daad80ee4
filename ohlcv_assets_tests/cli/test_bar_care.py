"""`ohlcv bars status` and `ohlcv bars heal` on the tiny dataset; `ohlcv bars SYMBOL` stays what it was."""

from __future__ import annotations

import json
import socket
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from ohlcv_assets.bars.chunks import Span
from ohlcv_assets.bars.resolutions import RESOLUTIONS, STORED_RESOLUTIONS
from ohlcv_assets.cli import bar_care
from ohlcv_assets.pipeline import heal as healing
from ohlcv_assets.pipeline.bar_status import DayRange, bar_status
from ohlcv_assets.pipeline.heal import GivenUp, Healed
from ohlcv_assets.pipeline.steps import load_day
from ohlcv_assets.progress import Observer
from ohlcv_assets.project import Project, open_project
from ohlcv_assets.settings import load_settings
from ohlcv_assets.units import day_bounds
from ohlcv_assets_tests.commands import Ohlcv
from ohlcv_assets_tests.pipeline.made import FRIDAY, SATURDAY, THURSDAY, rewrite

pytestmark = pytest.mark.integration

NAMES = [resolution.name for resolution in STORED_RESOLUTIONS]


@pytest.fixture(name="project")
def _project(copied: Path) -> Project:
    """Return the project of the copied dataset, whose last day is not made."""
    assert copied.is_dir()
    return open_project(load_settings())


def test_a_symbol_needs_no_command(ohlcv: Ohlcv) -> None:
    """`ohlcv bars SYMBOL` and options before the symbol go to `show`; without anything there is help."""
    words = ("AAPL", "-r", "1h", "--json")
    shown = ohlcv("bars", "show", *words)
    assert shown.code == 0
    assert ohlcv("bars", *words) == shown
    assert ohlcv("bars", "-r", "1h", "--json", "AAPL") == shown
    assert "status" in ohlcv("bars", "--help").out
    assert "status" in ohlcv("bars").out
    assert "'statsu'" in ohlcv("bars", "statsu").err


def test_status_of_a_dataset_not_yet_complete(ohlcv: Ohlcv) -> None:
    """Everything up to the day that is not made is complete; people are told what to do, machines get all of it."""
    found = ohlcv("bars", "status")
    assert found.code == 0
    assert "2024-01-09 00:00:00" in found.out
    assert "1 day without proved trades: `ohlcv backfill`" in found.err
    assert "heal" not in found.err
    document = ohlcv("bars", "status", "--json").document
    assert document["complete"] is False
    assert [one["resolution"] for one in document["resolutions"]] == NAMES
    for one in document["resolutions"]:
        assert one["complete_until"] == "2024-01-09T00:00:00Z"
        assert (one["lag_seconds"], one["missing"], one["stale"], one["failed"]) == (0, [], [], [])
        assert one["waiting"] == [{"first": "2024-01-09", "last": "2024-01-09", "reason": "no proved trades"}]
        assert len(one["symbols"]) == 28
        assert one["last_runs"][0]["state"] == "done"
        assert one["last_runs"][0]["start"] == "2024-01-08T00:00:00Z"


def test_status_by_resolution_and_symbol(ohlcv: Ohlcv) -> None:
    """Asked for a resolution or a symbol, it lists symbols; what is not there is refused."""
    found = ohlcv("bars", "status", "-r", "1h", "-s", "AAPL", "-s", "BTC-USD")
    assert "1h by symbol" in found.out
    assert "AAPL" in found.out
    assert "MSFT" not in found.out
    document = ohlcv("bars", "status", "-r", "1h", "-s", "AAPL", "--json").document
    assert [list(one["symbols"]) for one in document["resolutions"]] == [["AAPL"]]
    assert ohlcv("bars", "status", "-r", "2h").code == 2
    assert "NOBODY" in ohlcv("bars", "status", "-s", "NOBODY").err


def test_what_is_wrong_is_told_and_healed(ohlcv: Ohlcv, project: Project) -> None:
    """Deleted bars are missing, corrected days stale; `heal` makes them, says what it did, and then finds nothing."""
    trades = project.lake.read(FRIDAY)
    rewrite(project, FRIDAY, trades.slice(0, trades.num_rows - 3))
    load_day(project, FRIDAY)
    for day in (THURSDAY, SATURDAY):
        project.bar_store.delete_day(RESOLUTIONS["5m"], day)
    found = ohlcv("bars", "status")
    assert "1m stale 2024-01-05: made from other trades" in found.out
    assert "5m missing 2024-01-04: bars are gone" in found.out
    assert "`ohlcv bars heal` makes what is missing" in found.err
    healed = ohlcv("bars", "heal", "--from", "2024-01-05", "--to", "2024-01-05", "--json").document
    assert (healed["days"], healed["succeeded"], healed["failed"]) == (1, True, [])
    rest = ohlcv("bars", "heal")
    assert rest.code == 0
    assert "2 days healed in 2 chunks" in rest.out
    assert ohlcv("bars", "heal").out == "Nothing is missing or stale.\n"
    assert ohlcv("verify", "--bars", "--from", "2024-01-04", "--to", "2024-01-06").code == 0


def test_healing_shows_metrics_and_logs(ohlcv: Ohlcv, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a port, what is told can be read as metrics; a day that fails is a warning, one that is made a detail."""
    for resolution in STORED_RESOLUTIONS:
        project.bar_store.delete_day(resolution, FRIDAY)
    project.bar_store.delete_day(RESOLUTIONS["1d"], SATURDAY)
    project.lake.delete(SATURDAY)
    found: list[str] = []
    make = healing.heal

    def watched(*arguments: object, observer: Observer) -> Healed:
        healed = make(*arguments, observer=observer)  # type: ignore[arg-type]  # handed on as they are
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
            found.append(page.read().decode())
        return healed

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setattr(healing, "heal", watched)
    monkeypatch.setenv("OHLCV_LOG_LEVEL", "debug")
    shown = ohlcv("bars", "heal", "--metrics-port", str(port))
    assert shown.code == 1
    assert f"Metrics are shown at http://127.0.0.1:{port}/metrics." in shown.err
    lines = set(found[0].splitlines())
    assert {
        'ohlcv_bar_chunks_total{resolution="1m",state="done"} 1.0',
        'ohlcv_bar_chunks_total{resolution="1d",state="failed"} 1.0',
        'ohlcv_bar_days{resolution="1m",standing="missing"} 0.0',
        'ohlcv_bar_days{resolution="1d",standing="missing"} 1.0',
        'ohlcv_bar_lag_seconds{resolution="1d"} 259200.0',
        "ohlcv_heal_chunks_done 2.0",
    } <= lines
    logged = [json.loads(line) for line in shown.err.splitlines() if line.startswith("{")]
    chunks = [(line["level"], line["subject"]) for line in logged if line["event"] == "chunk"]
    assert ("debug", "2024-01-05 1m") in chunks
    assert [subject for level, subject in chunks if level == "warning"] == ["2024-01-06 1d"]
    assert [(line["done"], line["total"]) for line in logged if line["event"] == "heal"] == [(0, 2)]


def test_what_cannot_be_healed(ohlcv: Ohlcv, project: Project) -> None:
    """A day that fails ends in exit code 1 and is listed with its reason, then and by `status`."""
    project.bar_store.delete_day(RESOLUTIONS["1m"], FRIDAY)
    project.lake.delete(FRIDAY)
    found = ohlcv("bars", "heal")
    assert found.code == 1
    assert "2024-01-05 1m failed: " in found.out
    assert "1m 2024-01-05 failed after " in ohlcv("bars", "status").out
    span = Span(*day_bounds(FRIDAY))
    assert {record.state for record in project.chunks.records(span) if record.resolution == "1m"} == {"failed"}


def test_more_than_fits(ohlcv: Ohlcv, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long lists are cut, and say so."""
    monkeypatch.setattr(bar_care, "_LISTED", 2)
    for resolution in STORED_RESOLUTIONS:
        project.bar_store.delete_day(resolution, FRIDAY)
    assert "... and 3 more; --json lists them all." in ohlcv("bars", "status").out


def test_every_outcome_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What others made, hold, what stopped it and what is waiting is said."""
    monkeypatch.setattr(bar_care, "_LISTED", 1)
    given = [GivenUp(day, ("1m", "5m"), "held") for day in (FRIDAY, SATURDAY)]
    bar_care.show_healed(Healed(chunks=3, made_by_others=2, busy=given, stopped="It ends.", waiting=[THURSDAY, FRIDAY]))
    shown = capsys.readouterr()
    assert "2 days made by somebody else meanwhile." in shown.out
    assert "2024-01-05 1m, 5m left to somebody else: held" in shown.out
    assert "... and 1 day more left to somebody else." in shown.out
    assert "Stopped: It ends." in shown.out
    assert "2 days with bars but without proved trades: `ohlcv backfill --from 2024-01-04 --to 2024-01-05`" in shown.err


def test_ranges_are_short() -> None:
    """One day is one date, several are two."""
    assert bar_care._range(DayRange(THURSDAY, FRIDAY, "")) == "2024-01-04 to 2024-01-05"


def test_only_the_checks_of_bars(ohlcv: Ohlcv) -> None:
    """`verify --bars` runs the checks of bars and one more, no other; together with --exhaustive it makes no sense."""
    words = ("verify", "--from", "2024-01-05", "--to", "2024-01-05")
    every = ohlcv(*words, "--json").document["days"][0]["checks"]
    bars = ohlcv(*words, "--bars", "--json").document["days"][0]["checks"]
    named, named_bars = (
        [(check["asset"], check["check"], check["passed"]) for check in checks] for checks in (every, bars)
    )
    directly = [(resolution.kept.bucket, "direct", True) for resolution in STORED_RESOLUTIONS]
    assert named_bars == [name for name in named if name[0].startswith("ohlcv_")] + directly
    totals = [check for check in bars if check["check"] == "totals"]
    assert {check["expected"]["turnover_of"] for check in totals} == {"stored trades"}
    for other in ("--exhaustive", "--trades"):
        refused = ohlcv(*words, "--bars", other)
        assert refused.code == 2
        assert "give one of the two" in refused.err


def test_only_the_checks_of_trades(ohlcv: Ohlcv) -> None:
    """`verify --trades` leaves out the checks of bars and no other; every trade may be compared with them."""
    words = ("verify", "--from", "2024-01-05", "--to", "2024-01-05", "--exhaustive", "--json")
    every, trades = (ohlcv(*words, *more).document["days"][0]["checks"] for more in ((), ("--trades",)))
    assert trades == [check for check in every if not check["asset"].startswith("ohlcv_")]
    assert trades[-1]["check"] == "every_trade"


def test_nothing_is_left_to_do(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """Where all is complete and nothing waits, no command is proposed."""
    bar_care._remark_next([replace(status, waiting=()) for status in bar_status(project)])
    assert capsys.readouterr().err == ""
