"""Resolutions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from ohlcv_assets.bars.resolutions import RESOLUTIONS, STORED_RESOLUTIONS, Resolution, resolution_of
from ohlcv_assets.errors import UserError
from ohlcv_assets.units import DAY, HOUR, MINUTE, SECOND

pytestmark = pytest.mark.unit
PAGE = Path(__file__).parents[2] / "docs" / "downsampling.md"
UNITS = (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND))


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


def test_only_stored_resolutions_are_kept() -> None:
    """How bars are kept is said of the stored resolutions, each under its own name; others say they are not."""
    assert all(resolution.kept is resolution.keeping for resolution in STORED_RESOLUTIONS)
    assert len({resolution.kept.bucket for resolution in STORED_RESOLUTIONS}) == len(STORED_RESOLUTIONS)
    with pytest.raises(UserError, match="2h bars are derived when they are read"):
        _ = RESOLUTIONS["2h"].kept


def test_tasks_follow_their_source() -> None:
    """A resolution's task runs after its source's, at most as often, and looks back over all its source may change."""
    for source, resolution in ((RESOLUTIONS[one.source], one) for one in STORED_RESOLUTIONS if one.source):
        assert source.kept.offset < resolution.kept.offset
        assert resolution.kept.every % source.kept.every == 0
        assert resolution.kept.lateness >= source.kept.lateness + source.kept.every


@pytest.mark.parametrize("resolution", STORED_RESOLUTIONS, ids=lambda one: str(one.name))
def test_a_run_computes_whole_bars_and_none_is_left_out(resolution: Resolution) -> None:
    """Two runs overlap by at least a bar, and a run has time to end before the next begins."""
    duration, kept = resolution.duration, resolution.kept
    assert duration is not None
    assert kept.lateness % duration == 0
    assert kept.lateness >= kept.every + duration
    assert kept.offset < min(kept.every, duration)
    assert 0 < kept.first_chunk <= kept.largest_chunk


def test_finer_resolutions_have_smaller_chunks() -> None:
    """Chunks grow along the chain."""
    for finer, coarser in pairwise(STORED_RESOLUTIONS):
        assert finer.kept.first_chunk < coarser.kept.first_chunk
        assert finer.kept.largest_chunk < coarser.kept.largest_chunk


def span(nanos: int) -> str:
    """Return a span in the largest unit that divides it."""
    unit, size = next((unit, size) for unit, size in UNITS if nanos % size == 0)
    return f"{nanos // size}{unit}"


def rows() -> Iterator[tuple[str, ...]]:
    """Yield the rows of the table of the chain."""
    head = (
        "resolution",
        "made from",
        "kept in",
        "retention",
        "task every",
        "offset",
        "lateness",
        "chunk first",
        "largest",
    )
    yield head
    yield ("---",) * len(head)
    for one in RESOLUTIONS.values():
        source = "trades" if one.source is None else one.source
        if one.keeping is None:
            yield one.name, source, *("",) * 7
            continue
        kept = one.kept
        retention = "for ever" if kept.retention == 0 else span(kept.retention * SECOND)
        times = (span(kept.every), span(kept.offset), span(kept.lateness))
        chunks = (f"{kept.first_chunk}d", f"{kept.largest_chunk}d")
        yield one.name, source, f"`{kept.bucket}`", retention, *times, *chunks


def test_the_documented_chain_is_the_codes() -> None:
    """The table of docs/downsampling.md is the definition."""
    table = "".join(re.sub(r" +\|", " |", f"| {' | '.join(row)} |\n") for row in rows())
    assert f"<!-- chain -->\n{table}<!-- /chain -->" in PAGE.read_text("utf-8"), table
