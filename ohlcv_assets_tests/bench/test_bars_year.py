"""The benchmark of a year of bars: every store there is, targets for whole years alone, wrong answers are errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from ohlcv_assets.bench import bars_year
from ohlcv_assets.bench.bars_year import measure_year_of_bars
from ohlcv_assets.errors import StoreMismatchError
from ohlcv_assets.progress import Progress
from ohlcv_assets.settings import Settings, load_settings
from ohlcv_assets_tests.servers import Server
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake

pytestmark = pytest.mark.integration
TOTAL = 366 * 200


def settings_of(server: Server, folder: Path) -> Settings:
    """Return settings that name a server."""
    return load_settings(influx_url=server.url, influx_operator_token=server.operator_token, data_dir=folder)


def test_every_store_has_its_rows(fake_server: Fake, tmp_path: Path) -> None:
    """Both stores are measured where there is a server, every day is told, and nothing is left on it."""
    before = set(fake_server.faults.held.buckets)
    seen: list[Progress] = []
    settings = settings_of(fake_server, tmp_path)
    found = measure_year_of_bars(settings, tmp_path / "year", days=2, total=TOTAL, observer=seen.append)
    assert [figure.name for figure in found] == [
        "made from the day files in DuckDB",
        "state of every day, symbol and resolution in DuckDB",
        "made from the day files in InfluxDB",
        "state of every day, symbol and resolution in InfluxDB",
    ]
    assert {figure.target for figure in found} == {None}
    assert all("2 days" in figure.method for figure in found)
    assert found[0].method.split(" bars")[0] == found[2].method.split(" bars")[0]
    assert [(event.stage, event.done) for event in seen] == [
        (stage, n) for stage in ("file", "bars", "bars") for n in (1, 2)
    ]
    assert set(fake_server.faults.held.buckets) == before


def test_a_whole_year_is_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All days of a year have targets, and without a server the embedded store stands alone."""
    monkeypatch.setattr(bars_year, "YEAR_DAYS", 1)
    found = measure_year_of_bars(load_settings(data_dir=tmp_path), tmp_path / "year", days=1, total=TOTAL)
    assert [figure.target for figure in found] == [60.0, 1.0]


def test_bars_that_lack_trades_are_no_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A benchmark whose bars do not hold the trades of the files ends with an error."""
    rolled = bars_year._rolled
    monkeypatch.setattr(bars_year, "_rolled", lambda project, day: rolled(project, day) - 1)
    with pytest.raises(StoreMismatchError, match="DuckDB hold"):
        measure_year_of_bars(load_settings(data_dir=tmp_path), tmp_path / "year", days=1, total=TOTAL)
