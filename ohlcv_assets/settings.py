"""Every setting, typed, in one place.

What belongs here: names, types, defaults, where each value came from, and one message for all mistakes.
What does not: what the settings are used for (``project`` turns them into parts).

Sources in order of precedence: what a caller passes (the command line does), the environment, ``.env``, ``ohlcv.toml``
(both in the working directory), defaults.
"""

from __future__ import annotations

import datetime as dt
import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from dotenv import dotenv_values
from pydantic import Field, PrivateAttr, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from ohlcv_assets.client_settings import ClientSettings
from ohlcv_assets.errors import InvalidDateError, SettingsError
from ohlcv_assets.influx_settings import InfluxSettings
from ohlcv_assets.instants import parse_day
from ohlcv_assets.serve_settings import ServeSettings

StoreName = Literal["duckdb", "influxdb", "memory"]
BarEngineName = Literal["client", "duckdb", "influx-task"]
Spread = Literal["activity", "uniform", "seasonal"]
PriceModel = Literal["stochastic-volatility", "gbm", "mean-reverting"]
Arrivals = Literal["clustered", "poisson"]
Sizes = Literal["pareto-lognormal", "lognormal", "fixed"]
Origin = Literal["argument", "environment", ".env", "ohlcv.toml", "default"]
DEFAULT_DATASET = "default"
PREFIX: Final = "OHLCV_"
ENV_FILE: Final = ".env"
TOML_FILE: Final = "ohlcv.toml"


class Settings(InfluxSettings, ServeSettings, ClientSettings):
    """The effective settings of one process."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=ENV_FILE,
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        toml_file=TOML_FILE,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=True,
    )

    data_dir: Path = Field(
        default=Path("data"), description="Folder of datasets, stores, reports and Dagster's history."
    )
    dataset: str = Field(
        default=DEFAULT_DATASET,
        pattern=r"^[a-z][a-z0-9_]{0,62}$",
        description="Dataset that Dagster, the command line and the stores work on.",
    )
    store: StoreName | None = Field(
        default=None,
        description="Where trades and bars are kept; unset: influxdb where OHLCV_INFLUX_URL is set, duckdb otherwise.",
    )
    start: dt.date = Field(default=dt.date(2024, 1, 1), description="First day of the default dataset.")
    end: dt.date = Field(default=dt.date(2024, 12, 31), description="Last day of the default dataset, included.")
    total_trades: Annotated[int, Field(ge=1, le=10**10)] = Field(
        default=300_000_000, description="Trades of the default dataset over all its days."
    )
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(default=2024, description="Seed of everything generated.")
    universe: Path | None = Field(default=None, description="A universe.toml of your own; the shipped one where unset.")
    spread: Spread = Field(default="activity", description="How trades are spread over the year.")
    price_model: PriceModel = Field(default="stochastic-volatility", description="How prices move.")
    arrivals: Arrivals = Field(default="clustered", description="When trades arrive within a session.")
    sizes: Sizes = Field(default="pareto-lognormal", description="How large trades are.")
    generate_batch: Annotated[int, Field(ge=1_000, le=10_000_000)] = Field(
        default=100_000, description="Trades generated at a time; bounds memory, changes no trade."
    )
    high_memory: bool = Field(default=False, description="Keep whole days in memory for speed.")
    bar_engine: BarEngineName = Field(
        default="client",
        description="Who makes a day's bars: our roll-up or DuckDB's SQL from the day file, or InfluxDB itself.",
    )
    sample_size: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        default=200, description="Trades read back and compared field by field in the sample check of a day."
    )
    workers: Annotated[int, Field(ge=1, le=256)] = Field(default=2, description="Worker processes of a backfill.")
    metrics_port: Annotated[int, Field(ge=1, le=65_535)] | None = Field(
        default=None, description="Port here where a backfill, or `ohlcv bars heal`, shows its metrics to Prometheus."
    )
    duckdb_memory: str = Field(
        default="512MB", pattern=r"^[1-9][0-9]*(MB|GB)$", description="Memory limit of one DuckDB session."
    )
    duckdb_threads: Annotated[int, Field(ge=1, le=256)] = Field(default=2, description="Threads of one DuckDB session.")
    store_patience: Annotated[float, Field(gt=0, le=86_400)] = Field(
        default=120.0, description="Seconds to wait for a store that another process holds."
    )
    keep_runs: Annotated[int, Field(ge=1)] = Field(
        default=90, description="Days of Dagster run history that pruning keeps."
    )
    log_format: Literal["auto", "human", "json"] = Field(
        default="auto", description="Log lines for people or for machines; auto: people on a terminal."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level that is logged."
    )

    _origins: dict[str, Origin] = PrivateAttr(default_factory=dict)

    @field_validator("start", "end", mode="before")
    @classmethod
    def _read_day(cls, value: object) -> object:
        if isinstance(value, str):
            try:
                return parse_day(value)
            except InvalidDateError as error:
                raise ValueError(str(error)) from None
        return value

    @field_validator("end")
    @classmethod
    def _not_before_start(cls, end: dt.date, info: ValidationInfo) -> dt.date:
        start = info.data.get("start")
        if start is not None and end < start:
            raise ValueError(f"{end} is before the first day {start}; choose a later end or an earlier start.")
        return end

    @field_validator("universe")
    @classmethod
    def _universe_is_there(cls, path: Path | None) -> Path | None:
        if path is not None and not path.is_file():
            raise ValueError(f"there is no file {str(path)!r}; correct the path or leave it unset.")
        return path

    @field_validator("data_dir")
    @classmethod
    def _data_dir_is_no_file(cls, path: Path) -> Path:
        if path.exists() and not path.is_dir():
            raise ValueError(f"{str(path)!r} is a file; name a folder.")
        return path

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 -- pydantic passes it; no secret files are read
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put ``ohlcv.toml`` below ``.env``; the first source that has a value wins."""
        return init_settings, env_settings, dotenv_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def store_in_force(self) -> StoreName:
        """Where trades and bars are kept: an explicit setting wins, then an address of InfluxDB, then DuckDB."""
        if self.store is not None:
            return self.store
        return "duckdb" if self.influx_url is None else "influxdb"

    def origin(self, name: str) -> Origin:
        """Return where the value of a setting came from; ``"argument"`` is what a caller or an option passed."""
        return self._origins.get(name, "argument" if name in self.model_fields_set else "default")

    def shown(self, name: str) -> str | int | float | bool | None:
        """Return a setting's value for display: plain, and masked where it is a secret."""
        value = getattr(self, name)
        if value is None or isinstance(value, str | int | float | bool):
            return value
        return "********" if isinstance(value, SecretStr) else str(value)

    @classmethod
    def load(cls, overrides: Mapping[str, Any]) -> Self:  # Any: validated here
        """Do what ``load_settings`` does, for this class."""
        given, problems = _gather(cls, overrides)
        try:
            settings = cls(**overrides)
        except ValidationError as error:
            problems += [_sentence(cls, detail, given) for detail in error.errors(include_url=False)]
        else:
            if not problems:
                settings._origins.update({name: origin for name, (origin, _) in given.items()})
                return settings
        raise SettingsError(_message(problems)) from None


Given = dict[str, tuple[Origin, object]]


def load_settings(**overrides: Any) -> Settings:  # Any: validated by the class
    """Return the settings in force.

    Parameters
    ----------
    **overrides
        Settings by name that outrank every other source; None counts as not given.

    Raises
    ------
    SettingsError
        Naming every problem at once: its setting, where the value came from, and what is allowed.
    """
    return Settings.load({name: value for name, value in overrides.items() if value is not None})


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return PREFIX + name.upper()


def _gather(cls: type[Settings], overrides: Mapping[str, object]) -> tuple[Given, list[str]]:
    """Find which source gives each setting, and every name that is no setting."""
    toml, problems = _toml_values()
    dotenv, unreadable = _dotenv_values()
    problems += unreadable
    known = cls.model_fields
    given: Given = {}
    problems += [_unknown(f"the argument {name}", name, known) for name in overrides if name not in known]
    for name, value in toml.items():
        if name in known:
            given[name] = "ohlcv.toml", value
        else:
            problems.append(_unknown(f"{name} in {TOML_FILE}", name, known))
    variables = {variable(name): name for name in known}
    for key, text in dotenv.items():
        if key in variables:
            given |= {variables[key]: (".env", text)} if text else {}
        elif key.startswith(PREFIX):
            problems.append(_unknown(f"{key} in {ENV_FILE}", key, variables))
    for key, text in ((key.upper(), text) for key, text in os.environ.items()):
        if key in variables:
            given |= {variables[key]: ("environment", text)} if text else {}
        elif key.startswith(PREFIX) and difflib.get_close_matches(key, variables, 1, 0.9):
            # Other tools may use the prefix in the environment, so only what looks like a slip is one.
            problems.append(_unknown(f"{key} in the environment", key, variables))
    given |= {name: ("argument", value) for name, value in overrides.items() if name in known}
    return given, problems


def _toml_values() -> tuple[dict[str, object], list[str]]:
    try:
        return tomllib.loads(Path(TOML_FILE).read_text("utf-8")), []
    except FileNotFoundError:
        return {}, []
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{TOML_FILE} cannot be read: {_one_line(error)}; correct the file or remove it.") from None


def _dotenv_values() -> tuple[dict[str, str | None], list[str]]:
    try:
        values = dotenv_values(ENV_FILE, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{ENV_FILE} cannot be read: {_one_line(error)}; correct the file or remove it.") from None
    return {key.upper(): text for key, text in values.items()}, []


def _unknown(where: str, name: str, known: Mapping[str, object]) -> str:
    # The prefix is left out: with it any two names would look alike.
    bare = {key.removeprefix(PREFIX): key for key in known}
    close = difflib.get_close_matches(name.removeprefix(PREFIX), bare, 1, 0.6)
    hint = f"; did you mean {bare[close[0]]}?" if close else "; `ohlcv config --markdown` lists what there is."
    return f"{where} is no setting{hint}"


PATTERNS: Final = {
    "dataset": "use lower-case letters, digits and underscores, beginning with a letter",
    "duckdb_memory": "give a whole number with MB or GB, such as 512MB",
    "serve_cache": "give a whole number with MB or GB, such as 64MB",
    "influx_url": "give an address such as http://127.0.0.1:8086",
    "service_url": "give an address such as http://127.0.0.1:8000",
    "influx_bucket": "use lower-case letters, digits and underscores, beginning with a letter",
    "influx_memory": "give a whole number with MB or GB, such as 128MB",
    "influx_retention": "give a whole number of h, d, w or y such as 10y, or 0 for ever",
    "influx_shard": "give a whole number of h, d, w or y such as 7d",
    "influx_bar_retention": "give a whole number of h, d, w or y such as 10y, or 0 for ever",
    "influx_bar_shard": "give a whole number of h, d, w or y such as 30d",
}
"""What the texts that have a form of their own must look like."""

_HIDDEN_IN_URLS: Final = re.compile(r"(?<=//)[^/]*@|[?#].*", re.DOTALL)


def _sentence(cls: type[Settings], detail: ErrorDetails, given: Given) -> str:
    name = str(detail["loc"][0])
    origin, value = given.get(name, ("default", detail["input"]))
    secret = "SecretStr" in str(cls.model_fields[name].annotation)
    shown = "********" if secret else value
    if name in {"influx_url", "service_url"}:
        # People paste addresses with a user, a password or a token in them.
        shown = _HIDDEN_IN_URLS.sub("********", str(value))
    kind = detail["type"]
    if kind == "value_error":
        reason = str(detail["ctx"]["error"])
    elif kind == "string_pattern_mismatch" and name in PATTERNS:
        reason = PATTERNS[name]
    else:
        reason = detail["msg"][0].lower() + detail["msg"][1:]
    label = name if origin in {"argument", "ohlcv.toml"} else variable(name)
    return f"{label}={shown} ({origin}): {reason.rstrip('.')}"


def _message(problems: list[str]) -> str:
    if len(problems) == 1:
        end = "" if problems[0].endswith("?") else "."
        return f"A setting cannot be used: {problems[0].rstrip('.')}{end}"
    lines = "".join(f"\n  - {problem.rstrip('.')}" for problem in problems)
    return f"{len(problems)} settings cannot be used:{lines}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
