"""PURE. The Flux that makes the bars of a resolution, one text for a chunk of history and for a task.

What belongs here: script texts. What does not: sending them (``rolling``), tasks.

A script is a window, two names ``start`` and ``stop``, and the same pipelines whatever the window is: one a column,
each with a source of its own. A source that two aggregates shared would hand every point to the query engine in place
of letting the storage engine aggregate; inside a function each call is a read of its own, and they run side by side.
Only turnover of trades is no aggregate of one field: price and amount are brought together point by point, which costs
more than all the rest. What a pivot does not need is dropped before it, which is a third of its cost.

In a chunk every pipeline writes with ``to`` and then ends in a filter that nothing passes: the query has no rows to
reply with. In a task they follow what finds its window (``following``) and are brought together to whole bars, which
readers of the newest bars must not see in parts (``outcome``). Figures: docs/downsampling.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from ohlcv_assets.bars.resolutions import RESOLUTIONS, Resolution
from ohlcv_assets.stores.influxdb.downsampling.following import IMPORTS, before
from ohlcv_assets.stores.influxdb.downsampling.outcome import after
from ohlcv_assets.stores.influxdb.layout import BARS_MEASUREMENT, TRADES_MEASUREMENT, Layout
from ohlcv_assets.stores.influxdb.lineprotocol.literals import flux_string, flux_time
from ohlcv_assets.units import DAY, HOUR, MINUTE, SECOND

_OF_TRADES: Final[Mapping[str, tuple[str, str]]] = {
    "open": ("price", "first"),
    "high": ("price", "max"),
    "low": ("price", "min"),
    "close": ("price", "last"),
    "volume": ("amount", "sum"),
    "trades": ("price", "count"),
    "imbalance": ("side", "sum"),
}
"""The columns of bars by what the storage engine makes them of: a field of trades and an aggregate."""

_OF_BARS: Final[Mapping[str, str]] = {
    "open": "first",
    "high": "max",
    "low": "min",
    "close": "last",
    "volume": "sum",
    "turnover": "sum",
    "trades": "sum",
    "imbalance": "sum",
}
"""The columns of bars by the aggregate that makes them of the same column of finer bars."""

_UNITS: Final = ((DAY, "d"), (HOUR, "h"), (MINUTE, "m"), (SECOND, "s"))


def chunk_script(resolution: Resolution, layout: Layout, start: int, stop: int) -> str:
    """Return the script that makes the bars of a range, to be sent as a query; it replies with no rows.

    Parameters
    ----------
    resolution
        A stored one.
    layout
        The buckets to read and to write.
    start, stop
        Nanoseconds UTC, half open, both open times of the resolution: a part of a window would give a part of a bar.

    Raises
    ------
    ValueError
        A bound is no open time, or the range is empty.
    """
    duration = duration_of(resolution)
    if start % duration != 0 or stop % duration != 0 or start >= stop:
        raise ValueError(f"[{start}, {stop}) is no range of whole {resolution.name} bars")
    window = f"start = {flux_time(start)}\nstop = {flux_time(stop)}\n"
    written = (
        f'{text}\n    |> write(name: "{name}")\n    |> filter(fn: (r) => false)\n    |> yield(name: "{name}")\n'
        for name, text in columns(resolution, layout).items()
    )
    return window + _source(resolution, layout) + _sink(layout.bars[resolution.name].name) + "".join(written)


def task_script(
    resolution: Resolution,
    layout: Layout,
    name: str,
    *,
    every: int | None = None,
    offset: int | None = None,
    clock: str = "now()",
) -> str:
    """Return the script of the task that keeps a resolution up to date.

    Parameters
    ----------
    resolution
        A stored one.
    layout
        The buckets to read and to write.
    name
        What the task is called.
    every, offset
        When it runs, in nanoseconds; as the resolution's definition says where None.
    clock
        Flux for the time that it is to the task; in a run of a task ``now()`` is the time that it was scheduled for.
    """
    kept = resolution.kept
    often, late = (kept.every if every is None else every), (kept.offset if offset is None else offset)
    option = f"\noption task = {{name: {flux_string(name)}, every: {span(often)}, offset: {span(late)}}}\n"
    window = before(resolution, layout, clock, often)
    made = after(resolution, layout, columns(resolution, layout))
    return IMPORTS + option + window + _source(resolution, layout) + made


def columns(resolution: Resolution, layout: Layout) -> dict[str, str]:
    """Return an expression for each column of ``[start, stop)`` by its name, of a function that reads a field."""
    if resolution.source is not None:
        return {name: _column(name, function, resolution) for name, function in _OF_BARS.items()}
    made = {name: _column(field, function, resolution) for name, (field, function) in _OF_TRADES.items()}
    return made | {"turnover": _turnover(layout.trades.name, resolution)}


def duration_of(resolution: Resolution) -> int:
    """Return the nanoseconds of a stored resolution's bars; all of them have a fixed duration."""
    return cast("int", resolution.duration)


def span(nanos: int) -> str:
    """Return a positive number of whole seconds, in nanoseconds, as a Flux duration: ``90s``, ``5m``, ``1d``."""
    unit, letter = next((unit, letter) for unit, letter in _UNITS if nanos % unit == 0)
    return f"{nanos // unit}{letter}"


def _source(resolution: Resolution, layout: Layout) -> str:
    """Return a function that reads one field."""
    bucket, measurement = layout.trades.name, TRADES_MEASUREMENT
    if resolution.source is not None:
        bucket, measurement = layout.bars[RESOLUTIONS[resolution.source].name].name, BARS_MEASUREMENT
    return (
        "points = (field) =>\n"
        f"    {_read(bucket)}\n"
        f"        |> filter(fn: (r) => r._measurement == {flux_string(measurement)} and r._field == field)\n"
    )


def _read(bucket: str) -> str:
    return f"from(bucket: {flux_string(bucket)})\n        |> range(start: start, stop: stop)"


def _sink(bucket: str) -> str:
    """Return a function that writes the values of a column."""
    return (
        "write = (tables=<-, name) =>\n"
        "    tables\n"
        '        |> keep(columns: ["_time", "_value", "symbol"])\n'
        '        |> set(key: "_field", value: name)\n'
        f'        |> set(key: "_measurement", value: {flux_string(BARS_MEASUREMENT)})\n'
        f"        |> to(bucket: {flux_string(bucket)})\n"
    )


def _column(field: str, function: str, resolution: Resolution) -> str:
    return f'points(field: "{field}"){_windows(function, resolution)}'


def _windows(function: str, resolution: Resolution) -> str:
    every = span(duration_of(resolution))
    return f' |> aggregateWindow(every: {every}, fn: {function}, createEmpty: false, timeSrc: "_start")'


def _turnover(trades: str, resolution: Resolution) -> str:
    """Return the pipeline of turnover, from trades."""
    return (
        f"{_read(trades)}\n"
        f"    |> filter(fn: (r) => r._measurement == {flux_string(TRADES_MEASUREMENT)}\n"
        '        and (r._field == "price" or r._field == "amount"))\n'
        '    |> keep(columns: ["_time", "_value", "_field", "symbol"])\n'
        '    |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")\n'
        "    |> map(fn: (r) => ({r with _value: r.price * r.amount}))\n"
        f"   {_windows('sum', resolution)}"
    )
