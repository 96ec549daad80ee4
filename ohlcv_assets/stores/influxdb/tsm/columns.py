"""Trades from the files of shards, as a store hands them out.

What belongs here: points of several fields put together to trades, symbol by symbol. What does not: how files are read
(``merging``), what trades are compared with (``verify``).

Only series of the measurement of trades are looked at: whatever else somebody keeps in a bucket is none of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ohlcv_assets.errors import StoreMismatchError
from ohlcv_assets.market.schema import STORED, SYMBOL_TYPE, TS_TYPE
from ohlcv_assets.stores.influxdb.layout import TRADES_MEASUREMENT
from ohlcv_assets.stores.influxdb.tsm.decoding import Points
from ohlcv_assets.stores.influxdb.tsm.encoding import FilePlan, trade_files
from ohlcv_assets.stores.influxdb.tsm.index import field_key, split_key, symbol_in
from ohlcv_assets.stores.influxdb.tsm.merging import ShardFiles

_FIELDS: Final[Mapping[str, type[np.generic]]] = {"price": np.float64, "amount": np.float64, "side": np.int64}


def trade_batches(shards: Sequence[ShardFiles], start: int, end: int) -> Iterator[pa.RecordBatch]:
    """Yield the ``STORED`` trades with ``start <= ts < end``, sorted by (symbol, ts), a symbol of a shard at a time.

    Parameters
    ----------
    shards
        All that the range touches, in order of time; they do not overlap.
    start, end
        Nanoseconds UTC.

    Raises
    ------
    StoreMismatchError
        A stored point is no whole trade.
    StoreError
        A file is damaged.
    """
    places: defaultdict[str, list[tuple[ShardFiles, bytes]]] = defaultdict(list)
    for shard in shards:
        for series in {split_key(key)[0]: None for key in shard.keys}:
            if series.startswith(f"{TRADES_MEASUREMENT},".encode()):
                places[_symbol(series)].append((shard, series))
    for symbol in sorted(places):
        for shard, series in places[symbol]:
            points = shard.read([field_key(series, name) for name in _FIELDS], start, end)
            if any(len(each.ts) > 0 for each in points):
                yield _batch(symbol, dict(zip(_FIELDS, points, strict=True)))


def _symbol(series: bytes) -> str:
    symbol = symbol_in(series, TRADES_MEASUREMENT)
    if symbol is None:
        raise StoreMismatchError(
            f"InfluxDB holds trades with other tags than symbol: {series[:200].decode(errors='replace')}; who writes "
            "them must use a bucket or a measurement of its own."
        )
    return symbol


def _batch(symbol: str, fields: Mapping[str, Points]) -> pa.RecordBatch:
    """Return one symbol's trades."""
    ts = _instants(symbol, fields)
    for name, kind in _FIELDS.items():
        if fields[name].values.dtype != kind:
            raise StoreMismatchError(f"InfluxDB holds {name} of {symbol!r} as {fields[name].values.dtype}.")
    sides = fields["side"].values
    small = sides.astype(np.int8)
    if not bool((small == sides).all()):
        row = int(np.argmax(small != sides))
        raise StoreMismatchError(f"InfluxDB holds {sides[row]} as side of {symbol!r} at {ts[row]} ns.")
    names = pa.DictionaryArray.from_arrays(np.zeros(len(ts), np.int32), pa.array([symbol], pa.string()))
    columns: list[pa.Array[Any]] = [  # Any: the type parameter varies
        names.cast(SYMBOL_TYPE),
        pa.array(ts).cast(TS_TYPE),
        pa.array(fields["price"].values),
        pa.array(fields["amount"].values),
        pa.array(small),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=STORED)


def _instants(symbol: str, fields: Mapping[str, Points]) -> NDArray[np.int64]:
    """Return the instants that all fields have in common, or raise StoreMismatchError where one has others."""
    first = fields["price"].ts
    if all(points.ts is first or np.array_equal(points.ts, first) for points in fields.values()):
        return first
    union = np.unique(np.concatenate([points.ts for points in fields.values()]))
    gaps = {name: np.setdiff1d(union, points.ts, assume_unique=True) for name, points in fields.items()}
    name, gap = next((name, gap) for name, gap in gaps.items() if len(gap) > 0)
    raise StoreMismatchError(
        f"InfluxDB holds {len(gap):,} trades without {name}, the first is {symbol} at {gap[0]} ns: load the day again."
    )


def warm_up() -> None:
    """Compile the kernels of both directions, or load them from disk, so that worker processes have them at hand."""
    columns: list[Any] = [pa.array(["warm-up"]), pa.array([0], pa.timestamp("ns"))]  # Any: the parameter varies
    columns += [pa.array([value]) for value in (1.5, 2.5, 1)]
    (file,) = trade_files([pa.Table.from_arrays(columns, names=STORED.names)], FilePlan())
    for _ in trade_batches([ShardFiles({"warm-up.tsm": b"".join(file.chunks)})], 0, 1):
        pass
