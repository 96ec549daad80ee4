"""Every setting, typed, in one place.

What belongs here: names, types, defaults, where each value came from, and one message for all mistakes.
What does not: what the settings are used for (``project`` turns them into parts).

Sources in order of precedence: environment, ``.env``, ``ohlcv.toml`` (both in the working directory), defaults.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

StoreName = Literal["duckdb", "memory"]
Spread = Literal["activity", "uniform", "seasonal"]
PriceModel = Literal["stochastic-volatility", "gbm", "mean-reverting"]
Arrivals = Literal["clustered", "poisson"]
Sizes = Literal["pareto-lognormal", "lognormal", "fixed"]
DEFAULT_DATASET = "default"


class Settings(BaseSettings):
    """The effective settings of one process."""

    model_config = SettingsConfigDict(
        env_prefix="OHLCV_", env_file=".env", toml_file="ohlcv.toml", extra="ignore", frozen=True
    )

    data_dir: Path = Field(Path("data"), description="Folder of datasets, stores, reports and Dagster's history.")
    dataset: str = Field(
        DEFAULT_DATASET,
        pattern=r"^[a-z][a-z0-9_]{0,62}$",
        description="Dataset that Dagster, the command line and the stores work on.",
    )
    store: StoreName = Field("duckdb", description="Where trades and bars are kept.")
    start: dt.date = Field(dt.date(2024, 1, 1), description="First day of the default dataset.")
    end: dt.date = Field(dt.date(2024, 12, 31), description="Last day of the default dataset, included.")
    total_trades: Annotated[int, Field(ge=1, le=10**10)] = Field(
        300_000_000, description="Trades of the default dataset over all its days."
    )
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(2024, description="Seed of everything generated.")
    universe: Path | None = Field(None, description="A universe.toml of your own; the shipped one where unset.")
    spread: Spread = Field("activity", description="How trades are spread over the year.")
    price_model: PriceModel = Field("stochastic-volatility", description="How prices move.")
    arrivals: Arrivals = Field("clustered", description="When trades arrive within a session.")
    sizes: Sizes = Field("pareto-lognormal", description="How large trades are.")
    generate_batch: Annotated[int, Field(ge=1_000, le=10_000_000)] = Field(
        100_000, description="Trades generated at a time; bounds memory, changes no trade."
    )
    high_memory: bool = Field(False, description="Keep whole days in memory for speed.")  # noqa: FBT003 -- pydantic's form
    sample_size: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        200, description="Trades read back and compared field by field in the sample check of a day."
    )
    workers: Annotated[int, Field(ge=1, le=256)] = Field(2, description="Worker processes of a backfill.")
    duckdb_memory: str = Field(
        "512MB", pattern=r"^[1-9][0-9]*(MB|GB)$", description="Memory limit of one DuckDB session."
    )
    duckdb_threads: Annotated[int, Field(ge=1, le=256)] = Field(2, description="Threads of one DuckDB session.")
    store_patience: Annotated[float, Field(gt=0, le=86_400)] = Field(
        120.0, description="Seconds to wait for a store that another process holds."
    )
    keep_runs: Annotated[int, Field(ge=1)] = Field(90, description="Days of Dagster run history that pruning keeps.")
    log_format: Literal["auto", "human", "json"] = Field(
        "auto", description="Log lines for people or for machines; auto: people on a terminal."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
