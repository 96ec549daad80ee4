"""The benchmark of making bars: every figure promised, wrong answers are errors, nothing is left behind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ohlcv_assets.bench import influx_bars
from ohlcv_assets.bench.figures import Figure
from ohlcv_assets.bench.influx_bars import BY_HAND, OURS, bar_figures, measure_bars
from ohlcv_assets.bench.influx_peers import Cost
from ohlcv_assets.errors import StoreMismatchError, StoreQueryError
from ohlcv_assets.progress import Progress
from ohlcv_assets.settings import Settings, load_settings
from ohlcv_assets_tests.servers import Server
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake

pytestmark = pytest.mark.integration
QUERY = "/api/v2/query"
SCRIPT = "a day to 1m by Flux, written"


def settings_of(server: Server, folder: Path) -> Settings:
    """Return settings that name a server."""
    return load_settings(influx_url=server.url, influx_operator_token=server.operator_token, data_dir=folder)


def held(server: Fake) -> set[str]:
    """Return the buckets of a server."""
    return set(server.faults.held.buckets)


def by_name(figures: list[Figure]) -> dict[str, Figure]:
    """Return figures by name."""
    return {figure.name: figure for figure in figures}


def test_every_promise_has_its_row(fake_server: Fake, tmp_path: Path) -> None:
    """The script beside one written by hand, its reply, the roll-up and the server; nothing is left."""
    before = held(fake_server)
    seen: list[Progress] = []
    settings = settings_of(fake_server, tmp_path)
    found = by_name(measure_bars(settings, tmp_path / "day", trades=300, repeats=1, observer=seen.append))
    promised = {name for name, figure in found.items() if figure.target is not None}
    assert promised == {SCRIPT, "reply to the script of a day", "a day, all five resolutions, by the roll-up"}
    assert found["reply to the script of a day"].value <= influx_bars.REPLY_BYTES
    assert found[SCRIPT].ratio is not None
    assert "InfluxDB v2.9.1" in found[SCRIPT].method
    assert [event.done for event in seen] == [0, 1]
    assert held(fake_server) == before


def cost(seconds: float, server: float | None = None) -> Cost:
    """Return a cost."""
    return Cost(1_000, seconds, 0.1, server)


@pytest.mark.parametrize(("ours", "met"), [(1.0, True), (1.05, True), (1.06, False)])
def test_the_ratio_is_the_target(ours: float, met: bool) -> None:
    """The script must be at least 0.95 times as fast as the one by hand."""
    rounds = {"client": [cost(0.3)], "influx-task": [cost(2.0)]}
    (script, reply, client, server) = bar_figures({**rounds, OURS: [cost(ours)], BY_HAND: [cost(1.0)]}, [16], "so")
    assert script.met is met
    assert script.ratio == pytest.approx(1 / ours)
    assert (reply.value, reply.met) == (16, True)
    assert (client.value, client.met) == (0.3, True)
    assert (server.value, server.target) == (2.0, None)


def test_processor_time_where_it_is_known() -> None:
    """What the server used is told apart where it runs on this machine."""
    names = (OURS, BY_HAND, "client", "influx-task")
    figures = bar_figures({name: [cost(1.0, 2.0), cost(1.0, 4.0)] for name in names}, [16], "so")
    assert [figure.value for figure in figures if figure.case == "server"] == [3.0, 3.0, 3.0]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"status": 400, "body": b'{"code":"invalid","message":"no"}'}, "refused a script of the benchmark: .*no"),
        ({"status": 200, "body": b"#datatype,string\r\n,error\r\n,broken\r\n"}, "refused a script .*broken"),
    ],
)
def test_a_script_that_fails_is_no_figure(
    fake_server: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: dict[str, object], said: str
) -> None:
    """However fast the server said no, it is an error."""
    before = held(fake_server)

    def ours(*_: object) -> str:
        fake_server.faults.add("answer", path=QUERY, times=1, **fault)
        return "1"

    monkeypatch.setattr(influx_bars, "_ours", ours)
    with pytest.raises(StoreQueryError, match=re.compile(said, re.DOTALL)):
        measure_bars(settings_of(fake_server, tmp_path), tmp_path / "day", trades=300, repeats=1)
    assert held(fake_server) == before


def test_no_answer_is_no_figure(fake_server: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that ends is an error of one sentence."""

    def ours(*_: object) -> str:
        fake_server.faults.add("reset", path=QUERY, times=1)
        return "1"

    monkeypatch.setattr(influx_bars, "_ours", ours)
    with pytest.raises(StoreQueryError, match="gave no answer to a script of the benchmark"):
        measure_bars(settings_of(fake_server, tmp_path), tmp_path / "day", trades=300, repeats=1)


def test_bars_of_other_trades_are_no_figure(fake_server: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that lost trades is an error."""
    monkeypatch.setattr(influx_bars, "STORED_RESOLUTIONS", ())
    measure_bars(settings_of(fake_server, tmp_path), tmp_path / "day", trades=300, repeats=1)
    monkeypatch.undo()
    monkeypatch.setattr("ohlcv_assets.pipeline.engines.tables.trades_of", lambda _: 0)
    with pytest.raises(StoreMismatchError, match="do not hold the day's trades: 1m, 5m"):
        measure_bars(settings_of(fake_server, tmp_path), tmp_path / "again", trades=300, repeats=1)


def test_both_scripts_give_the_same_bars(real_server: Server, tmp_path: Path) -> None:
    """On a real server every way is measured."""
    found = by_name(measure_bars(settings_of(real_server, tmp_path), tmp_path / "day", trades=300, repeats=1))
    assert found["reply to the script of a day"].met
