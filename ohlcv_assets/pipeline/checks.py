"""Proving a day: what was made is fetched back and handed to ``verify``.

What belongs here: which data each check compares, read once for all checks of an asset. What does not: comparing
(``verify``), recording (Dagster).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from ohlcv_assets.bars.resolutions import RESOLUTIONS, STORED_RESOLUTIONS, Resolution
from ohlcv_assets.lake.dayfile import DayFile
from ohlcv_assets.lake.hashing import ContentHash
from ohlcv_assets.lake.writer import runs
from ohlcv_assets.market.schema import CONTENT, STORED, TURNOVER
from ohlcv_assets.pipeline.engines.tables import SqlEngine, bars_by_roll_up, bars_by_sql
from ohlcv_assets.pipeline.exhaustive import compare_every_trade, follows, proves_every_trade
from ohlcv_assets.pipeline.kinds import BAR_CHECKS, EVERY_TRADE, STORED_CHECKS, TRADES_CHECKS, CheckKind
from ohlcv_assets.pipeline.merging import merged
from ohlcv_assets.pipeline.parts import batches, fits, parts
from ohlcv_assets.progress import Observer, nobody
from ohlcv_assets.project import Project
from ohlcv_assets.stores.base import SumsTurnover
from ohlcv_assets.units import day_bounds
from ohlcv_assets.verify.bars import Turnover, bar_totals, bars_equal, bars_invariants
from ohlcv_assets.verify.chain import FIGURES_OF_BARS, chain_of_bars, chain_of_trades
from ohlcv_assets.verify.content import content, turnover_of
from ohlcv_assets.verify.counts import content_hash, count_matches_plan, counts_per_symbol
from ohlcv_assets.verify.sample import sample, sample_keys
from ohlcv_assets.verify.trades import schema_and_invariants
from ohlcv_assets.verify.verdict import Verdict

BAR_CHECK_MEMORY: Final = "512MB"
"""Memory of the in-memory database that makes bars for comparison."""


def names(kinds: Sequence[CheckKind]) -> tuple[str, ...]:
    """Return the names of some checks, in order."""
    return tuple(kind.name for kind in kinds)


def trades_checks(project: Project, day: dt.date, wanted: Collection[str] = names(TRADES_CHECKS)) -> Iterator[Verdict]:
    """Prove a day's file: yield a verdict for each wanted check of ``TRADES_CHECKS``, in that order.

    Raises
    ------
    LakeError
        There is no file that can be read.
    """
    file = project.lake.inspect(day)
    if {"count_matches_plan", "content_hash"} & set(wanted):
        found = _recomputed(project, day)
        if "count_matches_plan" in wanted:
            yield count_matches_plan(project.source.counts(day), found.counts)
    if "schema_and_invariants" in wanted:
        universe, first_ids = project.dataset.universe, project.source.first_ids(day)
        yield merged(schema_and_invariants(part, universe, day, first_ids) for part in parts(project, day))
    if "content_hash" in wanted:
        record = project.dataset.record.get(day)
        expected = file.content_hash if record is None else record.content_hash
        yield content_hash(expected, found.hexdigest(), project.lake.remedy)


def stored_kinds(project: Project) -> tuple[CheckKind, ...]:
    """Return the checks of stored trades that are made of every day."""
    return (*STORED_CHECKS, EVERY_TRADE) if proves_every_trade(project) else STORED_CHECKS


def stored_checks(
    project: Project,
    day: dt.date,
    wanted: Collection[str] = names(STORED_CHECKS),
    observer: Observer = nobody,
    *,
    afresh: bool = True,
) -> Iterator[Verdict]:
    """Prove a day's stored trades: yield a verdict for each wanted check, in the order of ``stored_kinds``.

    Where every trade is compared with the store's own files and is right, the store is asked nothing else.

    Parameters
    ----------
    project, day, wanted
        What to prove.
    observer, afresh
        See ``compare_every_trade``.

    Raises
    ------
    LakeError
        There is no file that can be read.
    StoreError
        The store cannot be used.
    """
    file = project.lake.inspect(day)
    every = compare_every_trade(project, day, observer, afresh=afresh) if EVERY_TRADE.name in wanted else None
    if every is not None and every.backed_up and every.verdict.passed:
        yield from (verdict for verdict in follows(file) if verdict.check in wanted)
    else:
        yield from _asked(project, file, wanted)
    if every is not None:
        yield every.verdict


def _asked(project: Project, file: DayFile, wanted: Collection[str]) -> Iterator[Verdict]:
    """Ask the store about a day's trades."""
    day = file.day
    # Fetched first: the store is not held while the file is read and compared.
    with project.store_session():
        counts = project.trade_store.counts(day) if "count_per_symbol" in wanted else None
        stored = project.trade_store.content(day) if "content" in wanted else None
    if counts is not None:
        yield counts_per_symbol(file.counts, counts)
    if stored is not None:
        yield merged(content(part, share) for part, share in _shares(parts(project, day), stored, file))
    if "sample" in wanted:
        keys = _picked(project, file)
        yield sample(keys, project.trade_store.fetch(keys))


def bar_checks(
    project: Project,
    day: dt.date,
    resolutions: Sequence[Resolution] = STORED_RESOLUTIONS,
    wanted: Callable[[Resolution, str], bool] = lambda _resolution, _name: True,
) -> Iterator[tuple[Resolution, Verdict]]:
    """Prove a day's bars of some resolutions: yield each resolution with its verdicts, in the order of ``BAR_CHECKS``.

    What the store holds is fetched and the bars by other code are computed once for all resolutions.

    Parameters
    ----------
    project, day
        What to prove.
    resolutions
        Stored resolutions.
    wanted
        Which check of which resolution; all by default.

    Raises
    ------
    LakeError
        There is no file that can be read.
    StoreError
        The store cannot be used.
    """
    equal = [resolution for resolution in resolutions if wanted(resolution, "equality")]
    by, expected = independent(project, day, equal) if equal else ("", {})
    held = _held(project, day, resolutions, wanted)
    for resolution in resolutions:
        chosen = [name for name in names(BAR_CHECKS) if wanted(resolution, name)]
        found = held.bars[resolution.name]
        if "totals" in chosen:
            yield resolution, bar_totals(found, resolution, held.content, held.turnover)
        if "invariants" in chosen:
            yield resolution, bars_invariants(found, resolution)
        if "equality" in chosen:
            yield resolution, bars_equal(expected[resolution.name], found, resolution, by)
        if "chain" in chosen:
            yield (
                resolution,
                chain_of_trades(found, held.content, resolution)
                if resolution.source is None
                else chain_of_bars(found, held.bars[resolution.source], resolution),
            )


def independent(
    project: Project, day: dt.date, resolutions: Sequence[Resolution], *, direct: bool = False
) -> tuple[str, Mapping[str, pa.Table]]:
    """Return bars from the file itself by other code than that of the engine in force, and what that code is called.

    Parameters
    ----------
    project, day, resolutions
        Which bars.
    direct
        Make every resolution of the trades themselves, whatever that costs.

    Raises
    ------
    LakeError
        There is no file that can be read.
    """
    file = project.lake.inspect(day)
    if project.settings.bar_engine == SqlEngine.name:
        return "the roll-up", bars_by_roll_up(project, file, resolutions)
    return "SQL", bars_by_sql(project, file, resolutions, threads=1, memory=BAR_CHECK_MEMORY, direct=direct)


@dataclass(frozen=True, slots=True)
class _Held:
    """What the store holds of a day: bars by resolution, content and turnover of its trades where they are needed."""

    bars: Mapping[str, pa.Table]
    content: pa.Table
    turnover: Turnover


def _held(
    project: Project, day: dt.date, resolutions: Sequence[Resolution], wanted: Callable[[Resolution, str], bool]
) -> _Held:
    """Fetch what checks of bars compare, all in one session."""
    chained = [resolution for resolution in resolutions if wanted(resolution, "chain")]
    totals = any(wanted(resolution, "totals") for resolution in resolutions)
    read = {resolution.name: resolution for resolution in resolutions}
    read |= {one.source: RESOLUTIONS[one.source] for one in chained if one.source is not None}
    with project.store_session():
        bars = {name: project.bar_store.read(resolution, *day_bounds(day)) for name, resolution in read.items()}
        # Asked again, not kept from the checks of stored trades: it shows that writing bars left the trades alone.
        needed = totals or any(resolution.source is None for resolution in chained)
        content = project.trade_store.content(day, FIGURES_OF_BARS) if needed else CONTENT.empty_table()
        turnover = _turnover(project, day) if totals else Turnover(TURNOVER.empty_table(), "")
    return _Held(bars, content, turnover)


def _turnover(project: Project, day: dt.date) -> Turnover:
    """Return what was traded on a day, by the store where it can add that up."""
    if isinstance(project.trade_store, SumsTurnover):
        return Turnover(project.trade_store.turnover(day), "stored trades")
    tables = [turnover_of(part) for part in parts(project, day)]
    # That the stored trades are those of the file is what other checks prove.
    return Turnover(pa.concat_tables(tables), "day file's trades")


def _recomputed(project: Project, day: dt.date) -> ContentHash:
    """Return the hash in the making, with the counts, of the trades as they are read back."""
    found = ContentHash()
    for batch in batches(project, day):
        for symbol, piece in runs(batch):
            found.update(symbol, piece)
    return found


def _shares(tables: Iterator[pa.Table], stored: pa.Table, file: DayFile) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Yield each part of the file with the stored content to compare it with; the first part answers for strangers."""
    held = stored["symbol"].to_pylist()
    strangers = set(held) - file.counts.keys()
    for at, table in enumerate(tables):
        answered = set(table["symbol"].unique().to_pylist()) | (strangers if at == 0 else set())
        yield table, stored.filter(pa.array([name in answered for name in held], pa.bool_()))


def _picked(project: Project, file: DayFile) -> pa.Table:
    """Return the rows to read back from the store."""
    seed = project.settings.seed + file.day.toordinal()
    size = project.settings.sample_size
    if fits(project, file):
        return sample_keys(next(parts(project, file.day)), seed, size)
    picks = [
        sample_keys(part, seed + at, -(-size * part.num_rows // file.rows))
        for at, part in enumerate(parts(project, file.day))
    ]
    return pa.concat_tables(picks).unify_dictionaries().cast(STORED)
