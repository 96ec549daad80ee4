"""`ohlcv influx`: secrets go to .env and nowhere else; what is not well is told by text, JSON and exit code."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from dotenv import dotenv_values

from ohlcv_assets_tests.commands import Ohlcv
from ohlcv_assets_tests.stores.influxdb.fake.server import FakeServer
from ohlcv_assets_tests.stores.influxdb.fresh import fresh_fake

pytestmark = pytest.mark.integration
SECRETS = ("TOKEN", "PASSWORD")


@pytest.fixture
def fresh() -> Iterator[FakeServer]:
    """Return a server that nobody has set up."""
    with fresh_fake() as server:
        yield server


@pytest.fixture
def ready(fresh: FakeServer, ohlcv: Ohlcv) -> FakeServer:
    """Return a server that `ohlcv influx setup` has set up; the working directory has its .env."""
    assert ohlcv("--set", f"influx_url={fresh.url}", "influx", "setup").code == 0
    return fresh


def secrets_of(path: Path) -> list[str]:
    """Return the secrets in an .env file."""
    found = dotenv_values(path)
    return [value for name, value in found.items() if value and name.endswith(SECRETS)]


def test_setup_writes_env_and_prints_no_secret(fresh: FakeServer, ohlcv: Ohlcv, tmp_path: Path) -> None:
    """Tokens and address are in .env, for its owner alone; neither stream has any of the secrets."""
    (tmp_path / ".env").write_text("# mine\nOHLCV_WORKERS=2\n")
    done = ohlcv("--set", f"influx_url={fresh.url}", "influx", "setup")
    assert done.code == 0
    path = tmp_path / ".env"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().startswith("# mine\nOHLCV_WORKERS=2\n")
    assert dotenv_values(path)["OHLCV_INFLUX_URL"] == fresh.url
    found = secrets_of(path)
    assert len(found) == 5
    assert not [secret for secret in found if secret in done.out + done.err]
    assert "made: bucket 'trades'" in done.out
    assert "OHLCV_INFLUX_TOKEN" in done.out


def test_setup_again_changes_nothing(ready: FakeServer, ohlcv: Ohlcv, tmp_path: Path) -> None:
    """The second run finds address and tokens in .env, and says that all is well."""
    before = (tmp_path / ".env").read_text()
    done = ohlcv("influx", "setup")
    assert (done.code, (tmp_path / ".env").read_text()) == (0, before)
    assert "nothing was changed" in done.out
    assert ready.url in done.out


def test_drift_is_shown_and_fails(ready: FakeServer, ohlcv: Ohlcv, tmp_path: Path) -> None:
    """Another retention is told with what to do; it is kept in .env once it holds."""
    assert ready.url
    told = ohlcv("--set", "influx_retention=2y", "influx", "setup")
    assert told.code == 1
    assert "keeps points for 10y" in told.out
    assert "--repair" in told.out
    assert "OHLCV_INFLUX_RETENTION" not in (tmp_path / ".env").read_text()
    done = ohlcv("--set", "influx_retention=2y", "influx", "setup", "--repair")
    assert done.code == 0
    assert "changed: bucket 'trades'" in done.out
    assert dotenv_values(tmp_path / ".env")["OHLCV_INFLUX_RETENTION"] == "2y"


def test_setup_as_json(ready: FakeServer, ohlcv: Ohlcv, tmp_path: Path) -> None:
    """The document says what was made and what differs, without a secret."""
    done = ohlcv("--dataset", "btc", "influx", "setup", "--json")
    assert done.code == 0
    document = done.document
    assert (document["url"], document["dataset"], document["fresh"]) == (ready.url, "btc", False)
    assert "bucket 'btc_trades'" in document["made"]
    assert document["written"] == ["OHLCV_INFLUX_TOKEN", "OHLCV_INFLUX_READ_TOKEN", "OHLCV_INFLUX_TASKS_TOKEN"]
    assert len(document["notes"]) == 3
    assert not [secret for secret in secrets_of(tmp_path / ".env") if secret in done.out + done.err]
    assert "Note: another load token" in ohlcv("influx", "setup").err


def test_a_variable_that_outranks_env_is_told(ready: FakeServer, ohlcv: Ohlcv, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token in the environment goes before the one just written to .env."""
    assert ready.url
    monkeypatch.setenv("OHLCV_INFLUX_READ_TOKEN", "an-old-one")
    done = ohlcv("influx", "setup", "--repair")
    assert done.code == 0
    assert "OHLCV_INFLUX_READ_TOKEN is set in the environment too" in done.err


def test_what_leads_to_the_server_alone(fresh: FakeServer, ohlcv: Ohlcv, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address of the environment is not written down, which is said; a line of .env that says the same will do."""
    said = "Note: OHLCV_INFLUX_URL is set in the environment alone: leave it there, or add it to .env."
    monkeypatch.setenv("OHLCV_INFLUX_URL", fresh.url)
    assert said in ohlcv("influx", "setup").err
    with Path(".env").open("a") as file:
        file.write(f"OHLCV_INFLUX_URL={fresh.url}\n")
    done = ohlcv("influx", "setup")
    assert (done.code, said in done.err) == (0, False)


def test_setup_without_a_server(ohlcv: Ohlcv) -> None:
    """No server is one sentence and the code of a refusal; nothing is written."""
    done = ohlcv("--set", "influx_url=http://127.0.0.1:1", "influx", "setup")
    assert done.code == 2
    assert done.err.startswith("error: InfluxDB at http://127.0.0.1:1 could not say whether it is set up")
    assert not Path(".env").exists()


def test_doctor(ready: FakeServer, ohlcv: Ohlcv) -> None:
    """A line for everything looked at; a missing bucket fails, with the command that makes it."""
    well = ohlcv("influx", "doctor")
    assert well.code == 0
    assert "bucket trades" in well.out
    document = ohlcv("influx", "doctor", "--json").document
    assert (document["url"], document["state"]) == (ready.url, "ok")
    assert {"name", "state", "text", "remedy"} == set(document["findings"][0])
    ill = ohlcv("--dataset", "btc", "influx", "doctor")
    assert ill.code == 1
    assert "ohlcv --dataset btc influx setup" in ill.out
    assert ohlcv("--dataset", "btc", "influx", "doctor", "--json").document["state"] == "fail"


def test_doctor_warns_without_failing(ready: FakeServer, ohlcv: Ohlcv, tmp_path: Path) -> None:
    """A warning is no failure."""
    assert ready.url
    (tmp_path / ".env").chmod(0o644)
    done = ohlcv("influx", "doctor", "--json")
    assert (done.code, done.document["state"]) == (0, "warn")


def test_doctor_without_a_server(ohlcv: Ohlcv) -> None:
    """No server is a finding, and the code says so."""
    done = ohlcv("--set", "influx_url=http://127.0.0.1:1", "influx", "doctor")
    assert done.code == 1
    assert "make up" in done.out
