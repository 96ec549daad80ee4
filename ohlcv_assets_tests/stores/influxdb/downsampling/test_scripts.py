"""The Flux that makes bars: what it reads, what it writes, and that names cannot change it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from ohlcv_assets.bars.resolutions import BARS, RESOLUTIONS, STORED_RESOLUTIONS, Resolution
from ohlcv_assets.stores.influxdb.downsampling.scripts import chunk_script, span, task_script
from ohlcv_assets.stores.influxdb.layout import Layout, layout_of
from ohlcv_assets.units import DAY, HOUR, MINUTE, SECOND, day_bounds, day_start
from ohlcv_assets_tests.bars.made import DAY_ONE
from ohlcv_assets_tests.stores.influxdb.fake.flux_parse import Node, Parser

pytestmark = pytest.mark.unit
HOSTILE = '"}) |> drop(columns: ["_value"]) //\\ ${now()}\n§'
each_resolution = pytest.mark.parametrize("resolution", STORED_RESOLUTIONS, ids=lambda one: str(one.name))


def layout(prefix: str = "", trades: str = "trades") -> Layout:
    """Return a layout."""
    return layout_of(prefix, trades, retention=0, shard=DAY // SECOND, bar_retention=None, bar_shard=DAY // SECOND)


def texts(held: object) -> Iterator[str]:
    """Yield every literal text of a tree."""
    if isinstance(held, Node):
        if held.kind == "literal" and isinstance(held.parts[0], str):
            yield held.parts[0]
        held = held.parts
    inner = held.values() if isinstance(held, dict) else held if isinstance(held, list | tuple) else ()
    for part in inner:
        yield from texts(part)


def shape(held: object) -> Any:  # Any: a tree of any depth
    """Return a tree with all literal texts left out."""
    if isinstance(held, Node):
        return held.kind, None if held.kind == "literal" else shape(held.parts)
    if isinstance(held, dict):
        return {name: shape(part) for name, part in held.items()}
    return [shape(part) for part in held] if isinstance(held, list | tuple) else held


@each_resolution
def test_every_column_is_written_once_and_silently(resolution: Resolution) -> None:
    """A script has one pipeline a column of bars; each writes, and passes nothing on to the reply."""
    text = chunk_script(resolution, layout(), *day_bounds(DAY_ONE))
    columns = sorted(BARS.names[2:])
    assert (
        sorted(re.findall(r'\|> write\(name: "(\w+)"\)\s+\|> filter\(fn: \(r\) => false\)\s+\|> yield', text))
        == columns
    )
    assert re.findall(r'yield\(name: "(\w+)"\)', text) == re.findall(r'write\(name: "(\w+)"\)', text)
    assert text.count('createEmpty: false, timeSrc: "_start"') == len(BARS.names) - 2


@each_resolution
def test_sources_are_calls_of_a_function(resolution: Resolution) -> None:
    """No two aggregates share a source, which would keep the storage engine from aggregating."""
    parsed = Parser(chunk_script(resolution, layout(), *day_bounds(DAY_ONE))).program()
    assigned = {node.parts[0]: node.parts[1].kind for node in parsed if node.kind == "assign"}
    functions = dict.fromkeys(("points", "write"), "function")
    assert assigned == {"start": "literal", "stop": "literal"} | functions


@each_resolution
def test_it_reads_its_source_and_writes_its_bucket(resolution: Resolution) -> None:
    """1m is made of trades, everything else of the bars of its source; nothing else is touched but a task's records."""
    chosen = layout("btc_", "ticks")
    source = "btc_ticks" if resolution.source is None else f"btc_ohlcv_{resolution.source}"
    own = f"btc_ohlcv_{resolution.name}"
    found = re.findall(r'(from|to)\(\s*bucket: "(\w+)"', chunk_script(resolution, chosen, *day_bounds(DAY_ONE)))
    assert set(found) == {("from", source), ("to", own)}
    task = re.findall(r'(from|to)\(\s*bucket: "(\w+)"', task_script(resolution, chosen, "t"))
    assert set(task) == {*found, ("from", "ohlcv_status"), ("to", "ohlcv_status")}


@each_resolution
def test_hostile_names_stay_names(resolution: Resolution) -> None:
    """Whatever a bucket is called, the script does the same: the name is one text within it."""
    start, stop = day_bounds(DAY_ONE)
    plain = Parser(chunk_script(resolution, layout(), start, stop)).program()
    hostile = Parser(chunk_script(resolution, layout(HOSTILE, HOSTILE), start, stop)).program()
    assert shape(hostile) == shape(plain)
    names = {text for text in texts(hostile) if HOSTILE in text}
    source = f"{HOSTILE}{HOSTILE}" if resolution.source is None else f"{HOSTILE}ohlcv_{resolution.source}"
    assert names == {source, f"{HOSTILE}ohlcv_{resolution.name}"}
    task = Parser(task_script(resolution, layout(HOSTILE, HOSTILE), HOSTILE)).program()
    assert shape(task) == shape(Parser(task_script(resolution, layout(), "t")).program())
    assert HOSTILE in set(texts(task[0]))


def test_parts_of_bars_are_refused() -> None:
    """A chunk begins and ends at open times and is not empty: a part of a window would give a part of a bar."""
    start = day_start(DAY_ONE)
    for first, last in ((start + 1, start + HOUR), (start, start + HOUR - 1), (start, start), (start + HOUR, start)):
        with pytest.raises(ValueError, match="no range of whole 1h bars"):
            chunk_script(RESOLUTIONS["1h"], layout(), first, last)
    assert "2024-03-15T01:00:00.000000000Z" in chunk_script(RESOLUTIONS["1h"], layout(), start, start + HOUR)


@each_resolution
def test_a_task_runs_the_pipelines_of_a_chunk(resolution: Resolution) -> None:
    """A task and a chunk make bars by the same text, whatever their windows; the task runs as the definition says."""
    chosen = layout()
    task = task_script(resolution, chosen, "bars")
    chunk = chunk_script(resolution, chosen, *day_bounds(DAY_ONE))
    kept = resolution.kept
    assert f'\noption task = {{name: "bars", every: {span(kept.every)}, offset: {span(kept.offset)}}}\n' in task
    assert chunk[chunk.index("points = ") : chunk.index("write = ")] in task
    expressions = re.findall(r'^((?:points|from)\((?:.|\n)*?)\n    \|> write\(name: "(\w+)"\)$', chunk, re.MULTILINE)
    assert len(expressions) == len(BARS.names) - 2
    for expression, name in expressions:
        assert f'{expression} |> column(name: "{name}")' in task


@each_resolution
def test_another_schedule_and_clock(resolution: Resolution) -> None:
    """A task can be made to run otherwise, and to believe in another time."""
    task = task_script(resolution, layout(), "bars", every=2 * SECOND, offset=SECOND, clock="time(v: 7)")
    assert 'option task = {name: "bars", every: 2s, offset: 1s}' in task
    assert "complete = whole(at: int(v: time(v: 7)), of: duration)" in task
    assert f"int(v: began) - last_begun < {10 * SECOND}" in task


def test_spans() -> None:
    """Durations are spelled in the largest unit that fits."""
    assert [span(nanos) for nanos in (SECOND, 65 * SECOND, 5 * MINUTE, 36 * HOUR, 2 * DAY)] == [
        "1s",
        "65s",
        "5m",
        "36h",
        "2d",
    ]
