"""Proving days without Dagster.

What belongs here: every check of a day in one call. What does not: the checks (``checks``), recording them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Literal

from ohlcv_assets.bars.resolutions import Resolution
from ohlcv_assets.errors import LakeError, MachineError, StoreError
from ohlcv_assets.pipeline.checks import bar_checks, names, stored_checks, stored_kinds, trades_checks
from ohlcv_assets.pipeline.direct import direct_checks
from ohlcv_assets.pipeline.kinds import EVERY_TRADE, STORED_CHECKS
from ohlcv_assets.pipeline.parts import forget
from ohlcv_assets.pipeline.steps import require_day
from ohlcv_assets.progress import Observer, Progress, nobody
from ohlcv_assets.project import Project
from ohlcv_assets.verify.verdict import Verdict

Half = Literal["trades", "bars"]
"""What a proof may be restricted to."""


@dataclass(frozen=True, slots=True)
class Proof:
    """One check of one asset of one day.

    Attributes
    ----------
    day
        The day.
    asset
        ``trades``, ``stored_trades``, ``ohlcv_1m`` and so on, or ``ohlcv`` where no bar could be checked.
    verdict
        What the check found.
    """

    day: dt.date
    asset: str
    verdict: Verdict


def verify_day(
    project: Project,
    day: dt.date,
    *,
    exhaustive: bool = False,
    only: Half | None = None,
    afresh: bool = True,
    observer: Observer = nobody,
) -> tuple[Proof, ...]:
    """Run every check of a day on what is there. A check that cannot be run has failed, and says why.

    Parameters
    ----------
    project, day
        What to prove.
    exhaustive
        Read every stored trade back and compare it.
    only
        ``"trades"``: leave out the checks of bars. ``"bars"``: leave out the checks of the file and of the stored
        trades, and make every bar directly as well.
    afresh
        Whether what was read of the store for another day may not be used.
    observer
        Told how far that is, stage ``"compare"``.

    Raises
    ------
    OutsideDatasetError
        The dataset does not have that day.
    """
    require_day(project, day)
    kinds = (*STORED_CHECKS, EVERY_TRADE) if exhaustive else stored_kinds(project)
    proofs: list[Proof] = []
    if only != "bars":
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="proof") as beside:
            # The file is hashed while the store's trades come; the store is asked by this thread alone.
            of_file = beside.submit(_proved, day, "trades", partial(_plain, trades_checks(project, day)))
            stored = stored_checks(project, day, names(kinds), observer, afresh=afresh)
            of_store = _proved(day, "stored_trades", partial(_plain, stored))
        proofs += (*of_file.result(), *of_store)
    if only != "trades":
        direct = direct_checks(project, day) if only == "bars" else ()
        proofs += _proved(day, "ohlcv", partial(_named, chain(bar_checks(project, day), direct)))
    return tuple(proofs)


def _proved(day: dt.date, asset: str, run: Callable[[], Iterator[tuple[str, Verdict]]]) -> list[Proof]:
    """Run checks; the first that cannot be run is the last, and says why."""
    proofs: list[Proof] = []
    try:
        proofs.extend(Proof(day, name or asset, verdict) for name, verdict in run())
    except (LakeError, StoreError, MachineError) as error:
        proofs.append(Proof(day, asset, Verdict("readable", passed=False, summary=str(error))))
    return proofs


def verify_range(
    project: Project,
    days: Sequence[dt.date],
    *,
    exhaustive: bool = False,
    only: Half | None = None,
    observer: Observer = nobody,
) -> Iterator[tuple[dt.date, tuple[Proof, ...]]]:
    """Yield each day with its proofs.

    Raises
    ------
    OutsideDatasetError
        The dataset does not have one of the days; nothing was checked then.
    """
    for day in days:
        require_day(project, day)
    try:
        for done, day in enumerate(days):
            proofs = verify_day(project, day, exhaustive=exhaustive, only=only, afresh=done == 0, observer=observer)
            observer(Progress("check", day.isoformat(), done + 1, len(days), "days"))
            yield day, proofs
    finally:
        forget()


def _plain(verdicts: Iterator[Verdict]) -> Iterator[tuple[str, Verdict]]:
    for verdict in verdicts:
        yield "", verdict


def _named(verdicts: Iterator[tuple[Resolution, Verdict]]) -> Iterator[tuple[str, Verdict]]:
    for resolution, verdict in verdicts:
        yield resolution.kept.bucket, verdict
