"""Documentation of bars and checks."""

from __future__ import annotations

from pathlib import Path

import pytest

from ohlcv_assets.bars.resolutions import BARS, RESOLUTIONS
from ohlcv_assets.verify.verdict import MAX_DIFFERENCES

pytestmark = pytest.mark.unit

DOCS = Path(__file__).parents[2] / "docs"


def test_every_column_and_resolution_is_documented() -> None:
    """docs/bars.md has a row for each column of a bar and names each resolution."""
    text = (DOCS / "bars.md").read_text(encoding="utf-8")

    assert [name for name in BARS.names if f"| `{name}` | " not in text] == []
    assert [name for name in RESOLUTIONS if f" {name} " not in text.replace(",", " ")] == []


def test_the_number_of_differences_is_documented() -> None:
    """docs/checks.md says how many differences are shown."""
    assert f"the first {MAX_DIFFERENCES} of them" in (DOCS / "checks.md").read_text(encoding="utf-8")
