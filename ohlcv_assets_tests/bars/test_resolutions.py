"""Resolutions."""

from __future__ import annotations

import pytest

from ohlcv_assets.bars.resolutions import RESOLUTIONS, STORED_RESOLUTIONS, resolution_of
from ohlcv_assets.errors import UserError
from ohlcv_assets.units import DAY

pytestmark = pytest.mark.unit


def test_by_name() -> None:
    """A resolution is found by its name; another name is refused with those there are."""
    assert resolution_of("15m") is RESOLUTIONS["15m"]
    with pytest.raises(UserError, match="no resolution '7m'; choose one of 1m, 5m, 15m, 30m, 1h, 2h, 4h, 1d, 1W, 1M"):
        resolution_of("7m")


def test_the_chain() -> None:
    """Everything but 1m is composed from a stored resolution above it in this order; stored ones divide a day."""
    names = list(RESOLUTIONS)

    assert names[0] == "1m"
    for name in names[1:]:
        source = RESOLUTIONS[name].source or ""
        assert RESOLUTIONS[source].stored
        assert names.index(source) < names.index(name)
    assert [resolution.name for resolution in STORED_RESOLUTIONS] == ["1m", "5m", "15m", "1h", "1d"]
    assert all(resolution.duration and DAY % resolution.duration == 0 for resolution in STORED_RESOLUTIONS)
