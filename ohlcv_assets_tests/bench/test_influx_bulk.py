"""The benchmark of bulk loading: every figure promised, one sentence where it cannot be, and nothing left behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from ohlcv_assets.bench import influx_bulk
from ohlcv_assets.bench.influx_bulk import BESIDE, LINES, TOGETHER, WEEKS, WHOLE, measure_bulk
from ohlcv_assets.errors import SettingsError, StoreMismatchError, StoreRejectedError
from ohlcv_assets.progress import Progress
from ohlcv_assets.settings import load_settings
from ohlcv_assets.verify.verdict import Verdict
from ohlcv_assets_tests.bench.inch import StandIn
from ohlcv_assets_tests.bench.test_influx import by_name, held, settings_of
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake

pytestmark = pytest.mark.integration


@pytest.fixture
def no_inch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave nothing on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))


def test_every_promise_has_its_row(fake_server: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Encoding, loading beside inch and lines, comparing every trade; nothing is left."""
    StandIn(tmp_path, monkeypatch)
    before = held(fake_server)
    seen: list[Progress] = []
    settings = settings_of(fake_server, tmp_path)
    found = by_name(measure_bulk(settings, tmp_path / "day", trades=300, repeats=1, observer=seen.append))
    promised = {name for name, figure in found.items() if figure.target is not None}
    assert promised == {
        "bulk: a day to files, per core",
        f"bulk: {WHOLE}, against inch",
        f"bulk: {BESIDE}, against inch",
        f"bulk: {TOGETHER}, against inch",
        "check: every trade of a day",
    }
    assert found[f"bulk: {WHOLE}"].peer == LINES
    assert all(figure.value > 0 for figure in found.values())
    assert "bytes a trade" in found["bulk: a day to files, per core"].method
    assert [event.done for event in seen if event.stage == "bench" and event.unit == "rounds"] == [0, 1]
    assert [event.done for event in seen if event.unit == "days"] == list(range(1, 7 * WEEKS + 1))
    assert f"of {7 * WEEKS} days" in found[f"bulk: {TOGETHER}, against inch"].method
    assert held(fake_server) == before


@pytest.mark.usefixtures("no_inch")
def test_without_inch_the_rest_is_measured(fake_server: Fake, tmp_path: Path) -> None:
    """The load stands for itself."""
    found = measure_bulk(settings_of(fake_server, tmp_path), tmp_path / "day", trades=300, repeats=1)
    assert [figure.peer for figure in found if figure.name == WHOLE] == ["", LINES]
    assert [figure.peer for figure in found if figure.name == TOGETHER] == [""]


@pytest.mark.usefixtures("no_inch")
def test_a_comparison_that_fails_is_no_figure(
    fake_server: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However fast a wrong answer came, it is an error."""
    verdict = Verdict("every_trade", passed=False, summary="they differ")
    monkeypatch.setattr(influx_bulk, "every_trade", lambda *_: verdict)
    with pytest.raises(StoreMismatchError, match="was not stored as it was made: they differ"):
        measure_bulk(settings_of(fake_server, tmp_path), tmp_path / "day", trades=300, repeats=1)


def test_what_is_needed(fake_server: Fake, tmp_path: Path) -> None:
    """The operator's token, and a server that was tried."""
    without = load_settings(influx_url=fake_server.url, influx_token=SecretStr("a token"), data_dir=tmp_path)
    with pytest.raises(SettingsError, match="set OHLCV_INFLUX_OPERATOR_TOKEN"):
        measure_bulk(without, tmp_path / "day", trades=300, repeats=1)
    fake_server.faults.add("answer", path="/ping", times=None, status=204, headers={"X-Influxdb-Version": "v2.7.0"})
    with pytest.raises(StoreRejectedError, match=r"cannot be loaded in bulk.*InfluxDB 2\.7\.0 was not tried"):
        measure_bulk(settings_of(fake_server, tmp_path), tmp_path / "day", trades=300, repeats=1)
