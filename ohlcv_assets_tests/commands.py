"""What tests of commands share: the tiny dataset's settings, and what a command line gave."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TINY = {"OHLCV_START": "2024-01-04", "OHLCV_END": "2024-01-09", "OHLCV_TOTAL_TRADES": "6000"}
"""Thursday to Tuesday with a weekend; the last day is left unmade."""


@dataclass(frozen=True)
class Outcome:
    """What a command line gave."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:  # Any: a JSON document
        """Standard output as the one JSON document that it must be."""
        return json.loads(self.out)


Ohlcv = Callable[..., Outcome]


def content_of(folder: Path) -> dict[str, tuple[int, int]]:
    """Return every file of a folder with size and time of change, to see whether anything was written."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}
