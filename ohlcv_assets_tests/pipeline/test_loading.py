"""Files of many days are loaded together where the store can, one by one elsewhere, and each is proved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ohlcv_assets.cli.load import show_loaded
from ohlcv_assets.errors import MissingDayFileError, OutsideDatasetError
from ohlcv_assets.pipeline.loading import load_days
from ohlcv_assets.pipeline.recording import day_records
from ohlcv_assets.pipeline.steps import file_day, require_proved
from ohlcv_assets.pipeline.verify import verify_day
from ohlcv_assets.progress import Progress
from ohlcv_assets.stores.base import LoadReport
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets_tests.commands import Ohlcv
from ohlcv_assets_tests.pipeline.made import FRIDAY, SATURDAY, THURSDAY, make, planned, project_in, rewrite, with_values
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake
from ohlcv_assets_tests.stores.influxdb.stores import in_bulk, plan, trade_store

pytestmark = pytest.mark.integration
DAYS = (THURSDAY, FRIDAY, SATURDAY)


def test_each_day_is_loaded_once_and_told(tmp_path: Path) -> None:
    """In order, proved one by one; a second time there is nothing to do."""
    project = project_in(tmp_path, total_trades=600)
    for day in DAYS:
        file_day(project, day)
    seen: list[Progress] = []
    loaded = list(load_days(project, DAYS, observer=seen.append))
    assert [(day, report.written) for day, report in loaded] == [(day, planned(project, day)) for day in DAYS]
    for day in DAYS:
        assert require_proved(project, day).day == day
    told = [(event.done, event.total) for event in seen if event.stage == "load days"]
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert [report.written for _, report in load_days(project, DAYS)] == [0, 0, 0]


def test_days_of_a_shard_go_in_together(fake_server: Fake, fresh_layout: Callable[..., Layout], tmp_path: Path) -> None:
    """A store that loads many days at once is given all of them, and every check holds afterwards."""
    store = trade_store(fake_server, fresh_layout(fake_server), plan(), bulk=in_bulk(fake_server))
    project = replace(project_in(tmp_path, total_trades=600), trade_store=store)
    for day in DAYS:
        file_day(project, day)
    loaded = list(load_days(project, DAYS))
    assert {report.detail["path"] for _, report in loaded} == {"bulk"}
    assert [report.rows for _, report in loaded] == [planned(project, day) for day in DAYS]
    for day in DAYS:
        assert all(proof.verdict.passed for proof in verify_day(project, day) if proof.asset == "stored_trades")
    store.close()


def test_bars_of_other_trades_are_stale_afterwards(tmp_path: Path) -> None:
    """As after the load of a single day: nobody is shown bars of trades that are gone as if they were right."""
    project = project_in(tmp_path, total_trades=600)
    make(project, FRIDAY)
    was = day_records(project, FRIDAY)["1m"]
    rewrite(project, FRIDAY, with_values(project.lake.read(FRIDAY), "side", {0: -1, 1: -1, 2: 1}))
    list(load_days(project, [FRIDAY]))
    assert day_records(project, FRIDAY)["1m"] != was


def test_nothing_is_loaded_where_a_file_is_missing(tmp_path: Path) -> None:
    """It is named, with what to do, before the store is touched."""
    project = project_in(tmp_path, total_trades=600)
    file_day(project, THURSDAY)
    with pytest.raises(MissingDayFileError, match="2024-01-05"):
        next(load_days(project, [THURSDAY, FRIDAY]))
    with pytest.raises(OutsideDatasetError):
        next(load_days(project, [THURSDAY.replace(year=2023)]))
    assert project.trade_store.counts_by_day() == {}


@pytest.mark.usefixtures("copied")
def test_the_command_says_what_was_loaded(ohlcv: Ohlcv) -> None:
    """Days, trades and what comes next; a document for machines; a day without a file is one sentence."""
    there = ohlcv("load", "--to", "2024-01-08")
    assert there.code == 0, there.err
    assert there.out.startswith("0 days loaded, 5 were there, of 5; 0 trades in ")
    assert ohlcv("purge", "store", "--yes").code == 0
    done = ohlcv("load", "--to", "2024-01-08")
    assert done.code == 0, done.err
    assert done.out.startswith("5 days loaded, 0 were there, of 5; ")
    assert "every day counted." in done.out
    assert "ohlcv backfill" in done.err
    document = ohlcv("load", "--from", "2024-01-05", "--to", "2024-01-05", "--json").document
    assert (document["trades"], document["written"], len(document["days"])) == (document["days"][0]["trades"], 0, 1)
    missing = ohlcv("load")
    assert (missing.code, "2024-01-09" in missing.err) == (2, True)


def test_the_way_of_loading_is_told_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever expected bulk loads sees why some days went another way; days that were there have no way."""
    reason = {"bulk": "a whole day, and the server allows it", "line": "OHLCV_INFLUX_OPERATOR_TOKEN is not set"}
    ways = ("bulk", "bulk", "line")
    loaded = [
        (day, LoadReport(10, 10, 0, 1.0, 0.0, {"path": way, "path_reason": reason[way]}))
        for day, way in zip(DAYS, ways, strict=True)
    ]
    show_loaded([*loaded, (THURSDAY, LoadReport(10, 0, 0, 0.1, 0.0))], 2.0)
    told = capsys.readouterr()
    assert told.out == "3 days loaded, 1 were there, of 4; 30 trades in 2.0 s, 15 a second, every day counted.\n"
    assert told.err.splitlines()[:2] == [f"2 days by bulk: {reason['bulk']}.", f"1 day by line: {reason['line']}."]
