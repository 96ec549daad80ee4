"""A year of trades: generated or imported, filed as Parquet, stored, rolled up to OHLCV bars, and proved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ohlcv_assets.reading import Reader, open_dataset

__all__ = ["Reader", "open_dataset"]


def __getattr__(name: str) -> Any:  # Any: whatever the reading room exports
    """Load the reading room when it is first asked for, so that importing the package costs nothing."""
    if name in __all__:
        from ohlcv_assets import reading  # noqa: PLC0415 -- the point of this function

        return getattr(reading, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
