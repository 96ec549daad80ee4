"""Settings of InfluxDB: spans, addresses, secrets, and which store they put in force."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ohlcv_assets.errors import SettingsError
from ohlcv_assets.influx_settings import InfluxSettings, seconds_of
from ohlcv_assets.settings import PREFIX, Settings, load_settings
from ohlcv_assets_tests.commands import Ohlcv

pytestmark = pytest.mark.unit
SECRETS = ("influx_token", "influx_read_token", "influx_tasks_token", "influx_operator_token", "influx_password")


@pytest.fixture(autouse=True)
def _bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder with an environment that sets nothing."""
    for key in list(os.environ):
        if key.startswith(PREFIX):
            monkeypatch.delenv(key)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("span", "seconds"),
    [("0", 0), ("1h", 3_600), ("48h", 172_800), ("7d", 604_800), ("2w", 1_209_600), ("10y", 10 * 366 * 86_400)],
)
def test_spans_are_seconds(span: str, seconds: int) -> None:
    """Hours, days, weeks and years of 366 days; nothing stands for ever."""
    assert seconds_of(span) == seconds


@pytest.mark.parametrize(
    ("overrides", "store"),
    [
        ({}, "duckdb"),
        ({"influx_url": "http://127.0.0.1:8086"}, "influxdb"),
        ({"influx_url": "http://127.0.0.1:8086", "store": "duckdb"}, "duckdb"),
        ({"store": "influxdb"}, "influxdb"),
        ({"store": "memory"}, "memory"),
    ],
)
def test_which_store_is_in_force(overrides: dict[str, object], store: str) -> None:
    """An explicit setting wins; unset, an address selects InfluxDB, and no address the embedded store."""
    assert load_settings(**overrides).store_in_force == store


@pytest.mark.parametrize("url", ["http://127.0.0.1:8086", "https://db.example/influx", "http://[::1]:8086"])
def test_an_address_loses_its_last_slash(url: str) -> None:
    """One form of an address, whether a slash was written or not."""
    assert load_settings(influx_url=f"{url}/").influx_url == url


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("localhost:8086", "give an address such as http://127.0.0.1:8086"),
        ("http://", "give an address such as http://127.0.0.1:8086"),
        ("http://me:sesame@db:8086", "http://********db:8086 (argument): an address carries no user or password"),
        ("http://db:8086/?token=sesame", "http://db:8086/******** (argument): an address ends before ? and #"),
        ("http://db:8086/#sesame", "an address ends before ? and #"),
    ],
)
def test_an_address_is_one_and_carries_no_secret(url: str, says: str) -> None:
    """What is no address is said to be none, and a secret pasted into one is not repeated."""
    with pytest.raises(SettingsError) as raised:
        load_settings(influx_url=url)
    assert says in str(raised.value)
    assert "sesame" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("influx_retention", "ten years", "give a whole number of h, d, w or y such as 10y, or 0 for ever"),
        ("influx_retention", "-1d", "give a whole number of h, d, w or y"),
        ("influx_bar_retention", "7", "give a whole number of h, d, w or y"),
        ("influx_shard", "0", "a shard lasts at least an hour"),
        ("influx_bar_shard", "0", "a shard lasts at least an hour"),
        ("influx_ca_file", "no/where.pem", "there is no file 'no/where.pem'"),
        ("influx_bucket", "My trades", "use lower-case letters, digits and underscores"),
        ("influx_memory", "much", "give a whole number with MB or GB, such as 128MB"),
        ("influx_writer", "magic", "input should be 'native' or 'client'"),
        ("influx_batch_lines", 1, "greater than or equal to 100"),
        ("max_rows_per_second", 0, "greater than or equal to 1"),
    ],
)
def test_what_is_wrong_is_said(name: str, value: object, says: str) -> None:
    """Each mistake says what is allowed."""
    with pytest.raises(SettingsError) as raised:
        load_settings(**{name: value})
    assert says in str(raised.value)


def test_certificates_that_are_there_can_be_named(tmp_path: Path) -> None:
    """A file of certificates is taken as a path."""
    path = tmp_path / "ca.pem"
    path.write_text("")
    assert load_settings(influx_ca_file=str(path)).influx_ca_file == path
    assert load_settings().influx_ca_file is None


def test_secrets_are_masked_in_what_config_shows(ohlcv: Ohlcv, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens and the password appear in no form of `ohlcv config` and in no representation."""
    for name in SECRETS:
        monkeypatch.setenv(f"{PREFIX}{name.upper()}", "open-sesame")
    for options in ([], ["--json"], ["--markdown"]):
        assert "sesame" not in ohlcv("config", *options).out
    settings = load_settings()
    assert [settings.shown(name) for name in SECRETS] == ["********"] * len(SECRETS)
    assert "sesame" not in repr(settings)
    assert "sesame" not in settings.model_dump_json()


def test_every_secret_is_known_to_be_one() -> None:
    """Whatever setting has a token or a password in its name is masked."""
    named = [name for name in Settings.model_fields if "token" in name or "password" in name]
    assert sorted(named) == sorted(SECRETS)
    assert all("SecretStr" in str(InfluxSettings.model_fields[name].annotation) for name in named)
