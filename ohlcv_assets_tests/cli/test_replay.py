"""`ohlcv replay` into a running service, on real sockets."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ohlcv_assets.api.service import Service
from ohlcv_assets.cli.replay import stopping
from ohlcv_assets.live import replay as module
from ohlcv_assets.live import shifting
from ohlcv_assets.live.replay import Replayed
from ohlcv_assets_tests.api.heard import Heard
from ohlcv_assets_tests.api.made import new_key, service_in
from ohlcv_assets_tests.api.sockets import running, until
from ohlcv_assets_tests.commands import Ohlcv
from ohlcv_assets_tests.pipeline.made import FRIDAY, SATURDAY, THURSDAY
from ohlcv_assets_tests.servers import free_port

pytestmark = pytest.mark.integration


@pytest.fixture(name="service")
def _service(tmp_path: Path) -> Service:
    """Return a service of Thursday to Saturday, of which Friday is made: not quite the dataset that is replayed."""
    return service_in(tmp_path / "served", (FRIDAY,))


@pytest.fixture(name="url")
def _url(service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return where the service is; a key that writes is in the environment."""
    monkeypatch.setenv("OHLCV_SERVICE_KEY", new_key(service, "write"))
    with running(service) as (host, port):
        url = f"http://{host}:{port}"
        monkeypatch.setenv("OHLCV_SERVICE_URL", url)
        yield url


def test_a_day_is_replayed_once(ohlcv: Ohlcv, service: Service, url: str) -> None:
    """Every trade, from its file; a second time there is nothing new."""
    heard = Heard(service)
    first = ohlcv("replay", "2024-01-06", "--speed", "max", "--json")
    assert first.code == 0, first.err
    document = first.document
    assert {name: document[name] for name in ("day", "to", "url", "origin", "left_out")} == {
        "day": "2024-01-06",
        "to": "2024-01-06",
        "url": url,
        "origin": "file",
        "left_out": 0,
    }
    counted = sum(service.project.trade_store.counts(SATURDAY).values())
    assert document["stored"] == document["posted"] == document["trades"] == counted > 200
    heard.until(counted)
    again = ohlcv("replay", "2024-01-06", "--speed", "max")
    assert again.code == 0
    assert f"0 stored (0 of them moved to a free nanosecond), {counted} were there." in again.out


def test_a_closed_day_is_told_and_another_offered(ohlcv: Ohlcv, service: Service, url: str) -> None:
    """Where `--to` leads the trades are taken, at the same times of the session."""
    refused = ohlcv("replay", "2024-01-05", "--speed", "max")
    assert (refused.code, refused.out) == (2, "")
    assert f"The service at {url} takes no trades of that day." in refused.err
    assert "--to DAY replays onto an open day." in refused.err
    done = ohlcv(
        "replay", "2024-01-05", "--speed", "1e9", "--to", "2024-01-04", "--symbols", "AAPL, BTC-USD", "--url", url
    )
    assert done.code == 0, done.err
    assert set(service.project.trade_store.counts(THURSDAY)) == {"AAPL", "BTC-USD"}
    nowhere = ohlcv("replay", "2024-01-05", "--to", "2024-01-06", "--symbols", "AAPL")
    assert (nowhere.code, "2024-01-06 has no session of XNYS" in nowhere.err) == (2, True)


def test_what_falls_behind_is_told(ohlcv: Ohlcv, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trades left out, requests repeated, a service that is too slow: each in a remark."""
    monkeypatch.setattr(
        module, "replay", lambda *_, **__: Replayed(9, posted=9, stored=9, repeats=2, seconds=0, behind=7.0)
    )
    monkeypatch.setattr(shifting, "shifted", lambda trades, *_: trades.slice(3))
    done = ohlcv("replay", "2024-01-06", "--speed", "2", "--url", url)
    assert done.code == 0
    for said in (
        "fell behind by",
        "Requests sent again, nothing being stored twice by that: 2.",
        "ends earlier: 3 trades",
    ):
        assert said in done.err


@pytest.mark.parametrize(
    ("key", "says"), [(None, "with a key alone"), ("read", "may not write"), ("nobody's", "does not know the key")]
)
def test_keys_come_from_the_environment(
    ohlcv: Ohlcv, service: Service, url: str, monkeypatch: pytest.MonkeyPatch, key: str | None, says: str
) -> None:
    """Without one, with one that only reads, with one that there is not."""
    if key is None:
        monkeypatch.delenv("OHLCV_SERVICE_KEY")
    else:
        monkeypatch.setenv("OHLCV_SERVICE_KEY", new_key(service, "read") if key == "read" else key)
    done = ohlcv("replay", "2024-01-06", "--url", url)
    assert (done.code, says in done.err) == (2, True), done.err


def test_a_service_that_is_not_there(ohlcv: Ohlcv) -> None:
    """One sentence, at once."""
    done = ohlcv("replay", "2024-01-06", "--url", f"http://127.0.0.1:{free_port()}")
    assert (done.code, "start it with `ohlcv serve`, or name another with --url." in done.err) == (2, True)


@pytest.mark.parametrize("speed", ["0", "-1", "fast", "nan", "inf"])
def test_a_speed_is_a_number_above_zero(ohlcv: Ohlcv, speed: str) -> None:
    """Or max."""
    done = ohlcv("replay", "2024-01-06", f"--speed={speed}")
    assert (done.code, "neither a number above zero nor max" in done.err) == (2, True)


def test_ctrl_c_ends_it_with_a_summary(ohlcv: Ohlcv, service: Service, url: str) -> None:
    """After the request under way; exit code 130."""
    heard = Heard(service)

    def interrupt() -> None:
        until(lambda: heard.trades > 0)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    done = ohlcv("replay", "2024-01-06", "--speed", "1", "--url", url)
    thread.join()
    assert done.code == 130
    assert " trades posted in " in done.out
    assert "Stopped when asked to." in done.err


def test_a_second_ctrl_c_ends_it_at_once() -> None:
    """And afterwards signals mean what they meant before."""
    before = signal.getsignal(signal.SIGINT)
    with stopping() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.is_set()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
