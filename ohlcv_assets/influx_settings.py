"""The settings of an InfluxDB server and of loading into it.

What belongs here: names, types, defaults and rules of everything that begins with ``OHLCV_INFLUX_``, and the throttle.
What does not: where values come from (``settings``), what they are used for (``project``).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

Writer = Literal["native", "client"]
Compression = Literal["none", "gzip"]
Load = Literal["auto", "bulk", "line"]

_SPAN: Final = re.compile(r"^(0|[1-9][0-9]{0,8}(h|d|w|y))$")
_HOURS: Final = {"h": 1, "d": 24, "w": 7 * 24, "y": 366 * 24}


def seconds_of(span: str) -> int:
    """Return a span such as ``7d`` in seconds; a year counts 366 days, ``0`` stands for ever."""
    return 0 if span == "0" else int(span[:-1]) * _HOURS[span[-1]] * 3600


def bytes_of(size: str) -> int:
    """Return a size such as ``128MB`` in bytes."""
    return int(size[:-2]) * {"MB": 1_000_000, "GB": 1_000_000_000}[size[-2:]]


class InfluxSettings(BaseSettings):
    """What concerns InfluxDB."""

    influx_url: str | None = Field(
        default=None, description="Address of an InfluxDB 2.x server, such as http://127.0.0.1:8086."
    )
    influx_org: str = Field(default="ohlcv-poc", min_length=1, description="Organisation of the buckets.")
    influx_bucket: str = Field(
        default="trades",
        pattern=r"^[a-z][a-z0-9_]{0,62}$",
        description="Bucket of the default dataset's trades; other datasets put their name before it.",
    )
    influx_token: SecretStr | None = Field(
        default=None, description="Token that loads: reads and writes the project's buckets, and its leases."
    )
    influx_read_token: SecretStr | None = Field(
        default=None, description="Token that only reads trades and bars; for servers and notebooks."
    )
    influx_tasks_token: SecretStr | None = Field(default=None, description="Token of the tasks that roll bars up.")
    influx_operator_token: SecretStr | None = Field(
        default=None,
        description="Operator token: `influx setup`, `influx doctor`, `bench influx`, bulk loading, backups only.",
    )
    influx_username: str = Field(
        default="ohlcv", min_length=1, description="First user, made by `ohlcv influx setup` on a fresh server."
    )
    influx_password: SecretStr | None = Field(
        default=None, min_length=8, description="Password of the first user; one is made up and kept where unset."
    )
    influx_ca_file: Path | None = Field(
        default=None, description="Certificates (PEM) to trust for https beside the system's."
    )
    influx_retention: str = Field(
        default="10y", description="How long InfluxDB keeps trades: 10y, 52w, 90d, 48h; 0 for ever."
    )
    influx_shard: str = Field(default="7d", description="Shard duration of the bucket of trades.")
    influx_bar_retention: str | None = Field(
        default=None, description="How long InfluxDB keeps bars; 0 for ever; unset: as each resolution defines it."
    )
    influx_bar_shard: str = Field(default="30d", description="Shard duration of the buckets of bars.")
    influx_load: Load = Field(
        default="auto",
        description="How whole days are loaded: in bulk (with the operator token), by lines, or in bulk where that can "
        "be done.",
    )
    influx_writer: Writer = Field(
        default="native", description="Who carries line protocol to the server: our connections or influxdb-client."
    )
    influx_batch_lines: Annotated[int, Field(ge=100, le=1_000_000)] = Field(
        default=50_000, description="Lines of one write request."
    )
    influx_connections: Annotated[int, Field(ge=1, le=64)] = Field(
        default=4, description="Most write requests in flight at a time, of one process."
    )
    influx_compression: Compression = Field(
        default="none", description="Compression of write requests; gzip (level 1) pays over slow networks only."
    )
    influx_memory: str = Field(
        default="128MB",
        pattern=r"^[1-9][0-9]*(MB|GB)$",
        description="Most memory for write requests that wait or are under way, of one process.",
    )
    influx_timeout: Annotated[float, Field(gt=0, le=3_600)] = Field(
        default=60.0, description="Seconds until a write request without an answer is sent again."
    )
    influx_query_timeout: Annotated[float, Field(gt=0, le=3_600)] = Field(
        default=60.0, description="Seconds until a query is split into smaller ones."
    )
    influx_deadline: Annotated[float, Field(gt=0, le=86_400)] = Field(
        default=600.0, description="Seconds that a load waits for a server that is overloaded or away."
    )
    max_rows_per_second: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Most trades a second that one process loads; no limit where unset."
    )

    @field_validator("influx_url")
    @classmethod
    def _is_an_address(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("give an address such as http://127.0.0.1:8086")
        if parts.username is not None or parts.password is not None:
            raise ValueError("an address carries no user or password; set OHLCV_INFLUX_TOKEN instead")
        if parts.query or parts.fragment:
            raise ValueError("an address ends before ? and #; organisation and token have settings of their own")
        return url.rstrip("/")

    @field_validator("influx_retention", "influx_shard", "influx_bar_retention", "influx_bar_shard")
    @classmethod
    def _is_a_span(cls, span: str | None) -> str | None:
        if span is not None and _SPAN.match(span) is None:
            raise ValueError("give a whole number of h, d, w or y such as 10y, or 0 for ever")
        return span

    @field_validator("influx_shard", "influx_bar_shard")
    @classmethod
    def _is_a_length(cls, span: str) -> str:
        if span == "0":
            raise ValueError("a shard lasts at least an hour; give 7d, for example")
        return span

    @field_validator("influx_ca_file")
    @classmethod
    def _certificates_are_there(cls, path: Path | None) -> Path | None:
        if path is not None and not path.is_file():
            raise ValueError(f"there is no file {str(path)!r}; correct the path or leave it unset.")
        return path
