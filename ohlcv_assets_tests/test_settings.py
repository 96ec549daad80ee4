"""Settings: sources, origins, and one message for all mistakes."""

from __future__ import annotations

import datetime as dt
import os
import re
from pathlib import Path

import pytest
from pydantic import Field, SecretStr

from ohlcv_assets.errors import SettingsError
from ohlcv_assets.settings import PREFIX, Settings, load_settings, variable

pytestmark = pytest.mark.unit
ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder with an environment that sets nothing."""
    for key in list(os.environ):
        if key.startswith(PREFIX):
            monkeypatch.delenv(key)
    monkeypatch.chdir(tmp_path)


class WithToken(Settings):
    """Settings with a secret, as a store with a token has."""

    token: SecretStr | None = Field(None, min_length=8, description="Token.")


def problems(**overrides: object) -> str:
    """Return the message of settings that cannot be used."""
    with pytest.raises(SettingsError) as raised:
        load_settings(**overrides)
    return str(raised.value)


def test_defaults_are_the_year_2024() -> None:
    """Without any source the defaults are in force, and said to be."""
    settings = load_settings()
    assert (settings.start, settings.end) == (dt.date(2024, 1, 1), dt.date(2024, 12, 31))
    assert settings.total_trades == 300_000_000
    assert {settings.origin(name) for name in Settings.model_fields} == {"default"}


def test_each_source_outranks_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argument, environment, .env, ohlcv.toml, default: the first that has a value wins, and is remembered."""
    Path("ohlcv.toml").write_text('seed = 1\nworkers = 1\nsample_size = 1\nspread = "uniform"\n')
    Path(".env").write_text("OHLCV_SEED=2\nOHLCV_WORKERS=2\nohlcv_sample_size=2\nDAGSTER_HOME=/x\nOHLCV_SPREAD=\n")
    monkeypatch.setenv("OHLCV_SEED", "3")
    monkeypatch.setenv("OHLCV_WORKERS", "3")
    monkeypatch.setenv("OHLCV_DATASET", "")
    settings = load_settings(seed=4, universe=None)
    found = {name: (getattr(settings, name), settings.origin(name)) for name in Settings.model_fields}
    assert found["seed"] == (4, "argument")
    assert found["workers"] == (3, "environment")
    assert found["sample_size"] == (2, ".env")
    assert found["spread"] == ("uniform", "ohlcv.toml")
    assert found["dataset"] == ("default", "default")
    assert found["universe"] == (None, "default")


def test_every_problem_is_in_one_message() -> None:
    """Whoever corrects settings learns of all mistakes at once."""
    Path(".env").write_text("OHLCV_SED=1\nOHLCV_ZZZ=1\nOHLCV_WORKERS=many\n")
    Path("ohlcv.toml").write_text("total_trade = 3\nseed = -1\n")
    message = problems(store="papyrus", total_trades=0, start="2024-05-01", end="2024-02-01", universe="no/where.toml")
    assert message.startswith("9 settings cannot be used:\n")
    for said in (
        "OHLCV_SED in .env is no setting; did you mean OHLCV_SEED?",
        "OHLCV_ZZZ in .env is no setting; `ohlcv config --markdown` lists what there is",
        "total_trade in ohlcv.toml is no setting; did you mean total_trades?",
        "OHLCV_WORKERS=many (.env): input should be a valid integer",
        "seed=-1 (ohlcv.toml): input should be greater than or equal to 0",
        "store=papyrus (argument): input should be 'duckdb', 'influxdb' or 'memory'",
        "total_trades=0 (argument): input should be greater than or equal to 1",
        "end=2024-02-01 (argument): 2024-02-01 is before the first day 2024-05-01",
        "universe=no/where.toml (argument): there is no file 'no/where.toml'",
    ):
        assert said in message


def test_one_problem_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A single mistake needs no list."""
    monkeypatch.setenv("OHLCV_START", "2024-02-30")
    assert problems() == (
        "A setting cannot be used: OHLCV_START=2024-02-30 (environment): '2024-02-30' names a day that no calendar "
        "has; write it as YYYY-MM-DD, YYYY-MM, or an instant such as 2024-03-15T14:30:00Z."
    )


def test_a_slip_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is nearly a setting is a slip; another tool's variable is none."""
    monkeypatch.setenv("OHLCV_ANOTHER_TOOL", "1")
    load_settings()
    monkeypatch.setenv("OHLCV_TOTAL_TRADE", "1")
    assert "OHLCV_TOTAL_TRADE in the environment is no setting; did you mean OHLCV_TOTAL_TRADES?" in problems()


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"sed": 1}, "the argument sed is no setting; did you mean seed?"),
        ({"start": "2025-01-01"}, "OHLCV_END=2024-12-31 (default): 2024-12-31 is before the first day 2025-01-01"),
        ({"end": "2023-01-01"}, "2023-01-01 is before the first day 2024-01-01"),
        ({"start": 20240101.5}, "start=20240101.5 (argument)"),
        ({"dataset": "My Data"}, "use lower-case letters, digits and underscores"),
        ({"duckdb_memory": "lots"}, "give a whole number with MB or GB"),
        ({"data_dir": __file__}, "is a file; name a folder"),
        ({"log_level": "loud"}, "input should be 'debug', 'info', 'warning' or 'error'"),
        ({"store_patience": 0}, "input should be greater than 0"),
    ],
)
def test_what_is_wrong_is_said(overrides: dict[str, object], says: str) -> None:
    """Each mistake names setting, value, source and what is allowed."""
    assert says in problems(**overrides)


def test_files_that_cannot_be_read_are_named() -> None:
    """A broken settings file is a settings error, not a traceback."""
    Path("ohlcv.toml").write_text("seed = = 1")
    assert problems().startswith("ohlcv.toml cannot be read: ")
    Path("ohlcv.toml").unlink()
    Path(".env").write_bytes(b"OHLCV_SEED=\xff\xfe\n")
    assert problems().startswith(".env cannot be read: ")


def test_secrets_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither display, nor representation, nor an error message gives a secret away."""
    monkeypatch.setenv("OHLCV_TOKEN", "open-sesame")
    settings = WithToken.load({})
    assert settings.shown("token") == "********"
    assert "sesame" not in repr(settings)
    monkeypatch.setenv("OHLCV_TOKEN", "sesame")
    with pytest.raises(SettingsError) as raised:
        WithToken.load({})
    assert "OHLCV_TOKEN=******** (environment)" in str(raised.value)
    assert "sesame" not in str(raised.value)


def test_values_are_shown_plainly() -> None:
    """Numbers stay numbers, days and paths become text, what is unset stays unset."""
    settings = load_settings(data_dir="x")
    assert settings.shown("seed") == 2024
    assert settings.shown("start") == "2024-01-01"
    assert settings.shown("data_dir") == "x"
    assert settings.shown("universe") is None


def test_settings_made_directly_know_what_was_passed() -> None:
    """Without ``load_settings`` an origin is still told: passed or default."""
    settings = Settings(seed=1)
    assert (settings.origin("seed"), settings.origin("end")) == ("argument", "default")


def test_the_example_file_has_every_setting_at_its_default() -> None:
    """.env.example names every setting once, commented out, with its default and its description."""
    text = (ROOT / ".env.example").read_text("utf-8")
    found = dict(re.findall(r"^#(OHLCV_[A-Z_]+)=(.*)$", text, flags=re.MULTILINE))
    defaults = {
        variable(name): ""
        if field.default is None
        else str(field.default).lower()
        if isinstance(field.default, bool)
        else str(field.default)
        for name, field in Settings.model_fields.items()
    }
    assert found == defaults
    for field in Settings.model_fields.values():
        assert field.description is not None
        assert f"# {field.description}\n" in text


def test_the_example_file_can_be_used_as_it_is() -> None:
    """Every line of .env.example without its comment sign is a valid setting."""
    text = (ROOT / ".env.example").read_text("utf-8")
    Path(".env").write_text(re.sub(r"^#(OHLCV_)", r"\1", text, flags=re.MULTILINE))
    assert load_settings().model_dump() == {name: field.default for name, field in Settings.model_fields.items()}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"serve_cors": "https://a.example, *"}, "'*' is no origin"),
        ({"serve_cors": "https://a.example/path"}, "without a path"),
        ({"serve_names": "chart.example:80"}, "without a scheme or a port"),
        ({"serve_cache": "64"}, "such as 64MB"),
        ({"serve_dagster_url": "javascript:alert(1)"}, "is no address of pages"),
    ],
)
def test_what_the_service_cannot_use_is_named(given: dict[str, str], says: str) -> None:
    """Origins, names and sizes that look like what they are."""
    with pytest.raises(SettingsError, match=re.escape(says)):
        load_settings(**given)
    assert (
        load_settings(serve_cors="https://a.example, http://b:3000", serve_names="a, [::1]").serve_names == "a, [::1]"
    )
