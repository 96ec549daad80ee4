"""The Flux that makes bars: what it reads, what it writes, and that names cannot change it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from ohlcv_assets.bars.resolutions import BARS, RESOLUTIONS, STORED_RESOLUTIONS, Resolution
from ohlcv_assets.stores.influxdb.downsampling.scripts import (
    chunk_script,
    pipelines,
    span,
    task_script,
    trailing_window,
)
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
    assert sorted(re.findall(r'\|> write\(name: "(\w+)"\)', text)) == sorted(BARS.names[2:])
    sink = text.split("write = (tables=<-, name) =>")[1].split("\npoints(")[0]
    assert sink.index("to(bucket:") < sink.index("filter(fn: (r) => false)") < sink.index("yield(")
    assert text.count("yield(") == 1
    assert text.count('createEmpty: false, timeSrc: "_start"') == len(BARS.names) - 2


@each_resolution
def test_sources_are_calls_of_a_function(resolution: Resolution) -> None:
    """No two aggregates share a source, which would keep the storage engine from aggregating."""
    parsed = Parser(chunk_script(resolution, layout(), *day_bounds(DAY_ONE))).program()
    assigned = {node.parts[0]: node.parts[1].kind for node in parsed if node.kind == "assign"}
    assert assigned == {"start": "literal", "stop": "literal", "points": "function", "write": "function"}


@each_resolution
def test_it_reads_its_source_and_writes_its_bucket(resolution: Resolution) -> None:
    """1m is made of trades, everything else of the bars of its source; nothing else is touched."""
    chosen = layout("btc_", "ticks")
    source = "btc_ticks" if resolution.source is None else f"btc_ohlcv_{resolution.source}"
    found = re.findall(r'(from|to)\(bucket: "(\w+)"\)', pipelines(resolution, chosen))
    assert set(found) == {("from", source), ("to", f"btc_ohlcv_{resolution.name}")}


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
    (option, *_) = Parser(task_script(resolution, layout(), HOSTILE)).program()
    assert HOSTILE in set(texts(option))


def test_parts_of_bars_are_refused() -> None:
    """A chunk begins and ends at open times and is not empty: a part of a window would give a part of a bar."""
    start = day_start(DAY_ONE)
    for first, last in ((start + 1, start + HOUR), (start, start + HOUR - 1), (start, start), (start + HOUR, start)):
        with pytest.raises(ValueError, match="no range of whole 1h bars"):
            chunk_script(RESOLUTIONS["1h"], layout(), first, last)
    assert "2024-03-15T01:00:00.000000000Z" in chunk_script(RESOLUTIONS["1h"], layout(), start, start + HOUR)


@each_resolution
def test_a_task_runs_the_pipelines_of_a_chunk(resolution: Resolution) -> None:
    """A task and a chunk differ in their windows alone; the task runs as the definition says."""
    chosen = layout()
    task = task_script(resolution, chosen, "bars")
    option, rest = task.split("\n", 1)
    kept = resolution.kept
    assert option == f'option task = {{name: "bars", every: {span(kept.every)}, offset: {span(kept.offset)}}}'
    assert rest == trailing_window(resolution) + pipelines(resolution, chosen)
    assert chunk_script(resolution, chosen, *day_bounds(DAY_ONE)).endswith(pipelines(resolution, chosen))
    own = task_script(resolution, chosen, "bars", "start = a\nstop = b\n")
    assert own == f"{option}\nstart = a\nstop = b\n{pipelines(resolution, chosen)}"


@each_resolution
def test_the_trailing_window_is_whole_bars(resolution: Resolution) -> None:
    """It ends with the last complete bar and begins as far back as trades may come late, at an open time."""
    now = day_start(DAY_ONE) + 13 * HOUR + 47 * MINUTE + 11 * SECOND + 5
    found = {}
    for name, text in re.findall(r"(\w+) = time\(v: (.*)\)\n", trailing_window(resolution)):
        expression = text.replace("int(v: now())", str(now)).replace("/", "//")
        assert re.fullmatch(r"[\d ()*/-]+", expression)
        found[name] = eval(expression)  # noqa: S307 -- arithmetic, see above
    duration = resolution.duration
    assert duration is not None
    assert found["stop"] == now - now % duration
    assert found["start"] == found["stop"] - resolution.kept.lateness


def test_spans() -> None:
    """Durations are spelled in the largest unit that fits."""
    assert [span(nanos) for nanos in (SECOND, 65 * SECOND, 5 * MINUTE, 36 * HOUR, 2 * DAY)] == [
        "1s",
        "65s",
        "5m",
        "36h",
        "2d",
    ]
