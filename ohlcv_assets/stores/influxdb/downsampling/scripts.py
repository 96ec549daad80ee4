"""PURE. The Flux that makes the bars of a resolution, one text for a chunk of history and for a task.

What belongs here: script texts. What does not: sending them (``rolling``), tasks.

A script is a window, two names ``start`` and ``stop``, followed by the same pipelines whatever the window is: one a
column, each with a source of its own. A source that two aggregates shared would hand every point to the query engine
in place of letting the storage engine aggregate; inside a function each call is a read of its own, and they run side
by side. Only turnover of trades is no aggregate of one field: price and amount are brought together point by point,
which costs more than all the rest. What a pivot does not need is dropped before it, which is a third of its cost.

Every pipeline writes with ``to`` and then ends in a filter that nothing passes: sent as a query, the script has no
rows to reply with. Figures: docs/downsampling.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from ohlcv_assets.bars.resolutions import RESOLUTIONS, Resolution
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
    return window + pipelines(resolution, layout)


def task_script(resolution: Resolution, layout: Layout, name: str, window: str | None = None) -> str:
    """Return the script of the task that keeps a resolution up to date.

    Parameters
    ----------
    resolution
        A stored one.
    layout
        The buckets to read and to write.
    name
        What the task is called.
    window
        Flux that defines ``start`` and ``stop``; ``trailing_window`` where None.
    """
    kept = resolution.kept
    option = f"option task = {{name: {flux_string(name)}, every: {span(kept.every)}, offset: {span(kept.offset)}}}\n"
    return option + (trailing_window(resolution) if window is None else window) + pipelines(resolution, layout)


def trailing_window(resolution: Resolution) -> str:
    """Return Flux for the window of a task that is level: what may still change, up to the last complete bar.

    It follows from ``now()`` alone, which in a run of a task is the time that the run was scheduled for.
    """
    duration = duration_of(resolution)
    lateness = resolution.kept.lateness
    # The server's clock is after 1970, so that division rounds down.
    return (
        f"stop = time(v: int(v: now()) / {duration} * {duration})\n"
        f"start = time(v: (int(v: now()) - {lateness}) / {duration} * {duration})\n"
    )


def pipelines(resolution: Resolution, layout: Layout) -> str:
    """Return the part of a script that makes the bars of ``[start, stop)``, times that are defined before it.

    Parameters
    ----------
    resolution
        A stored one; 1m is made of trades, all others of the bars of their source.
    layout
        The buckets to read and to write.
    """
    bucket = layout.bars[resolution.name].name
    if resolution.source is None:
        source = _source(layout.trades.name, TRADES_MEASUREMENT)
        made = [_column(name, field, function, resolution) for name, (field, function) in _OF_TRADES.items()]
        made.append(_turnover(layout.trades.name, resolution))
    else:
        source = _source(layout.bars[RESOLUTIONS[resolution.source].name].name, BARS_MEASUREMENT)
        made = [_column(name, name, function, resolution) for name, function in _OF_BARS.items()]
    return source + _sink(bucket) + "".join(made)


def duration_of(resolution: Resolution) -> int:
    """Return the nanoseconds of a stored resolution's bars; all of them have a fixed duration."""
    return cast("int", resolution.duration)


def span(nanos: int) -> str:
    """Return a positive number of whole seconds, in nanoseconds, as a Flux duration: ``90s``, ``5m``, ``1d``."""
    unit, letter = next((unit, letter) for unit, letter in _UNITS if nanos % unit == 0)
    return f"{nanos // unit}{letter}"


def _source(bucket: str, measurement: str) -> str:
    """Return a function that reads one field."""
    return (
        "points = (field) =>\n"
        f"    {_read(bucket)}\n"
        f"        |> filter(fn: (r) => r._measurement == {flux_string(measurement)} and r._field == field)\n"
    )


def _read(bucket: str) -> str:
    return f"from(bucket: {flux_string(bucket)})\n        |> range(start: start, stop: stop)"


def _sink(bucket: str) -> str:
    """Return a function that writes the values of a column, and passes none of them on."""
    return (
        "write = (tables=<-, name) =>\n"
        "    tables\n"
        '        |> keep(columns: ["_time", "_value", "symbol"])\n'
        '        |> set(key: "_field", value: name)\n'
        f'        |> set(key: "_measurement", value: {flux_string(BARS_MEASUREMENT)})\n'
        f"        |> to(bucket: {flux_string(bucket)})\n"
        "        |> filter(fn: (r) => false)\n"
        "        |> yield(name: name)\n"
    )


def _column(name: str, field: str, function: str, resolution: Resolution) -> str:
    return f'points(field: "{field}"){_windows(function, resolution)} |> write(name: "{name}")\n'


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
        f"   {_windows('sum', resolution)}\n"
        '    |> write(name: "turnover")\n'
    )
