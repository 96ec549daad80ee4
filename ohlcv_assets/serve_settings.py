"""The settings of the HTTP service.

What belongs here: names, types, defaults and rules of everything that begins with ``OHLCV_SERVE_``. What does not:
where values come from (``settings``), what they are used for (``api``).
"""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.\-]+(:[0-9]{1,5})?")
_PLACE: Final = re.compile(r"https?://[A-Za-z0-9.\-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~\-]+)*/?")
_HOST: Final = re.compile(r"[A-Za-z0-9.\-]+|\[[0-9A-Fa-f:.]+\]")


def listed(text: str) -> tuple[str, ...]:
    """Return the parts of a list that is written with commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


class ServeSettings(BaseSettings):
    """What concerns the HTTP service."""

    serve_host: str = Field(
        default="127.0.0.1", min_length=1, description="Address that `ohlcv serve` listens on; 0.0.0.0 for all."
    )
    serve_port: Annotated[int, Field(ge=0, le=65_535)] = Field(
        default=8000, description="Port that `ohlcv serve` listens on; 0 for any free one."
    )
    serve_open_reads: bool = Field(
        default=False, description="Answer reads without a key even where other machines can ask."
    )
    serve_names: str = Field(
        default="",
        description="Names beside localhost that the service goes by, with commas; "
        "where it listens to others, any name if unset.",
    )
    serve_cors: str = Field(
        default="",
        description="Origins, with commas, whose pages may read answers: https://chart.example; none where unset.",
    )
    serve_threads: Annotated[int, Field(ge=1, le=256)] = Field(
        default=8, description="Questions to the store at a time."
    )
    serve_waiting: Annotated[int, Field(ge=0, le=100_000)] = Field(
        default=256, description="Questions that may wait for their turn; more are answered 503."
    )
    serve_timeout: Annotated[float, Field(gt=0, le=3_600)] = Field(
        default=30.0, description="Seconds until a request without an answer is answered 503."
    )
    serve_query_timeout: Annotated[float, Field(gt=0, le=3_600)] = Field(
        default=5.0, description="Seconds until a question to the store is asked coarser or in parts."
    )
    serve_rate: Annotated[float, Field(gt=0)] = Field(
        default=1000.0, description="Requests a second of one client, twice as many at once; more are answered 429."
    )
    serve_body: Annotated[int, Field(ge=1_000, le=1_000_000_000)] = Field(
        default=1_000_000, description="Most bytes of a request's body; more are answered 413."
    )
    serve_trades: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=10_000, description="Most trades of one request that posts some."
    )
    serve_posted: Annotated[int, Field(ge=1, le=10_000_000)] = Field(
        default=50_000, description="Posted trades that may wait to be stored; more are answered 503."
    )
    serve_ledger: Annotated[int, Field(ge=1, le=100_000_000)] = Field(
        default=1_000_000, description="Ids of posted trades, and as many idempotency keys, that are remembered."
    )
    serve_rows: Annotated[int, Field(ge=1_000, le=10_000_000)] = Field(
        default=100_000, description="Most rows of one answer."
    )
    serve_cache: str = Field(
        default="64MB", pattern=r"^[1-9][0-9]*(MB|GB)$", description="Memory for answers about ranges that are proved."
    )
    serve_refresh: Annotated[float, Field(gt=0, le=3_600)] = Field(
        default=5.0, description="Seconds between two looks at which days are proved."
    )
    serve_jobs: Annotated[int, Field(ge=1, le=64)] = Field(
        default=2, description="Jobs (healing, generating, checking) that run at a time; others wait."
    )
    serve_jobs_kept: Annotated[int, Field(ge=4, le=10_000)] = Field(
        default=100, description="Jobs that are remembered, those that run or wait among them."
    )
    serve_generate: Annotated[int, Field(ge=1, le=100_000_000)] = Field(
        default=1_000_000, description="Most trades that one request may have generated."
    )
    serve_dagster_url: str = Field(
        default="",
        description="Where Dagster's pages are, for links of the operator's page: http://127.0.0.1:3000.",
    )
    serve_live_days: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=512, description="Days of symbols whose bars run in memory while trades are posted; 130 kB each."
    )
    serve_live_trades: Annotated[int, Field(ge=1_000, le=100_000_000)] = Field(
        default=1_000_000, description="Posted trades kept in memory, so that late ones need no look at the store."
    )
    serve_streams: Annotated[int, Field(ge=0, le=100_000)] = Field(
        default=4_000, description="Connections of /api/v1/stream at a time; more are told to come back later."
    )
    serve_heartbeat: Annotated[float, Field(gt=0, le=300)] = Field(
        default=10.0, description="Seconds after which a stream without news gets a sign of life."
    )
    serve_stream_patience: Annotated[float, Field(gt=0, le=600)] = Field(
        default=10.0, description="Seconds that a stream's client may take nothing until it is cut off."
    )

    @field_validator("serve_dagster_url")
    @classmethod
    def _is_place(cls, text: str) -> str:
        if text and _PLACE.fullmatch(text) is None:
            raise ValueError(f"{text!r} is no address of pages; write http://127.0.0.1:3000, or nothing")
        return text.rstrip("/")

    @field_validator("serve_cors")
    @classmethod
    def _are_origins(cls, text: str) -> str:
        for origin in listed(text):
            if _ORIGIN.fullmatch(origin) is None:
                raise ValueError(f"{origin!r} is no origin; write https://chart.example, without a path, or nothing")
        return text

    @field_validator("serve_names")
    @classmethod
    def _are_names(cls, text: str) -> str:
        for name in listed(text):
            if _HOST.fullmatch(name) is None:
                raise ValueError(f"{name!r} is no name of a machine; write chart.example, without a scheme or a port")
        return text
