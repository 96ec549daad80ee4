"""The settings of commands that use a running service.

What belongs here: where it is and the key that it wants. What does not: the service's own settings
(``serve_settings``).
"""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings


class ClientSettings(BaseSettings):
    """What concerns clients of the HTTP service."""

    service_url: str = Field(
        default="http://127.0.0.1:8000",
        pattern=r"^https?://[^\s/?#@]+(/[^\s?#@]*)?$",
        description="Running service that `ohlcv replay` posts to.",
    )
    service_key: SecretStr | None = Field(
        default=None, description="Key of the role write that `ohlcv replay` posts with; `ohlcv keys create` makes one."
    )
