"""Every stored bar of a day against one that is made of the day file's trades directly, by way of no other bars.

What belongs here: which bars are compared with which. What does not: comparing (``verify.bars``), making (``engines``).
It costs several times what the check of equality does, and is run on request.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from ohlcv_assets.bars.resolutions import STORED_RESOLUTIONS, Resolution
from ohlcv_assets.pipeline.checks import independent
from ohlcv_assets.project import Project
from ohlcv_assets.units import day_bounds
from ohlcv_assets.verify.bars import bars_equal
from ohlcv_assets.verify.verdict import Verdict

DIRECT: Final = "direct"
"""Name of the check."""


def direct_checks(
    project: Project, day: dt.date, resolutions: Sequence[Resolution] = STORED_RESOLUTIONS
) -> Iterator[tuple[Resolution, Verdict]]:
    """Compare a day's bars with bars made directly by other code than the engine's; yield each resolution's verdict.

    Raises
    ------
    LakeError
        There is no file that can be read.
    StoreError
        The store cannot be used.
    """
    by, expected = independent(project, day, resolutions, direct=True)
    with project.store_session():
        found = {resolution.name: project.bar_store.read(resolution, *day_bounds(day)) for resolution in resolutions}
    for resolution in resolutions:
        verdict = bars_equal(expected[resolution.name], found[resolution.name], resolution, f"{by} directly")
        yield resolution, replace(verdict, check=DIRECT)
