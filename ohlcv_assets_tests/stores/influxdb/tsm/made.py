"""Numbers and bytes for the tests of TSM.

What belongs here: strategies of columns, and room to write them into. What does not: expectations.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from itertools import accumulate, chain
from typing import Any, Final

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st
from numpy.typing import NDArray

from ohlcv_assets.market.schema import STORED
from ohlcv_assets.stores.influxdb.tsm.bits import SPARE, words_of
from ohlcv_assets.stores.influxdb.tsm.encoding import TsmFile

FIRST: Final = -(2**63 - 2)
LAST: Final = 2**63 - 3
"""Instants that are written, from the first to the last."""

EXTREMES: Final = [-(2**63), 2**63 - 1, 0, -1, 1, 2**59, 2**59 - 1, -(2**59), 2**60, -(2**60)]


def room(size: int = 100_000) -> tuple[NDArray[np.uint8], NDArray[np.uint64]]:
    """Return bytes full of ones, and the words of them."""
    out = np.full(size + SPARE, 0xFF, np.uint8)
    return out, words_of(out)


def words_of_bytes(data: bytes) -> NDArray[np.uint64]:
    """Return words that begin with some bytes, and more behind them."""
    return words_of(data + b"\xff" * SPARE)


def fixed(values: Sequence[int], kind: type[np.generic] = np.int64) -> NDArray[np.uint64]:
    """Return numbers as words that cannot be written: the kind of array that kernels are compiled for anyway."""
    words = np.array(values, kind).view(np.uint64)
    words.flags.writeable = False
    return words


def _joined(parts: list[list[Any]]) -> list[Any]:
    """Return lists as one; Any: of numbers of either kind."""
    return list(chain.from_iterable(parts))


def _gaps(most: int) -> st.SearchStrategy[list[int]]:
    """Return steps: any, few digits, scaled, and long runs of equal ones."""
    one = st.one_of(
        st.integers(1, most),
        st.integers(1, 2_000),
        st.builds(lambda digits, power: digits * 10**power, st.integers(1, 999), st.integers(0, 14)),
    )
    run = st.builds(lambda gap, times: [gap] * times, st.one_of(st.just(1), one), st.integers(1, 300))
    return st.lists(st.one_of(one.map(lambda gap: [gap]), run), max_size=8).map(_joined)


def instants() -> st.SearchStrategy[list[int]]:
    """Return strictly increasing instants: one or more, near or far from each other."""
    start = st.one_of(st.integers(FIRST, LAST), st.integers(0, 2 * 10**18))
    return st.builds(
        lambda first, gaps: [instant for instant in accumulate([first, *gaps]) if instant <= LAST],
        start,
        st.one_of(_gaps(2**62), _gaps(10**10)),
    )


def doubles() -> st.SearchStrategy[list[float]]:
    """Return doubles as a store may hold them: any finite ones, decimals, runs of equal ones."""
    one = st.one_of(
        st.floats(allow_nan=False, allow_infinity=False),
        st.builds(lambda digits, places: digits / 10**places, st.integers(1, 10**9), st.integers(0, 8)),
        st.sampled_from([0.0, -0.0, 5e-324, -5e-324, 1.7976931348623157e308, 2.2250738585072014e-308]),
    )
    run = st.builds(lambda value, times: [value] * times, one, st.integers(1, 20))
    return st.lists(run, min_size=1, max_size=40).map(_joined)


def integers() -> st.SearchStrategy[list[int]]:
    """Return whole numbers of 64 bits: any, small ones, sides, runs."""
    one = st.one_of(st.integers(-(2**63), 2**63 - 1), st.sampled_from(EXTREMES), st.sampled_from([-1, 1]))
    run = st.builds(lambda value, times: [value] * times, one, st.integers(1, 300))
    steps = st.builds(
        lambda start, step, times: [start + step * i for i in range(times)],
        st.integers(-1_000, 1_000),
        st.integers(-5, 5),
        st.integers(1, 300),
    )
    return st.lists(st.one_of(run, steps, one.map(lambda value: [value])), min_size=1, max_size=8).map(_joined)


Columns = tuple[list[int], list[float], list[float], list[int]]
"""Instants, prices, amounts and sides of a symbol."""


def trades(symbols: Mapping[str, Columns]) -> pa.Table:
    """Return a table of trades."""
    names = [name for name, columns in symbols.items() for _ in columns[0]]
    ts, prices, amounts, sides = (
        list(chain.from_iterable(columns[place] for columns in symbols.values())) for place in range(4)
    )
    arrays: list[Any] = [pa.array(names, pa.string()), pa.array(ts, pa.timestamp("ns"))]  # Any: the parameter varies
    arrays += [pa.array(prices, pa.float64()), pa.array(amounts, pa.float64()), pa.array(sides, pa.int8())]
    return pa.Table.from_arrays(arrays, names=STORED.names)


def bytes_of(file: TsmFile) -> bytes:
    """Return a file whole."""
    return b"".join(file.chunks)


def block_of(kind: int, times: bytes, values: bytes) -> bytes:
    """Return one block with its checksum."""
    body = bytes([kind, len(times)]) + times + values
    return struct.pack(">I", zlib.crc32(body)) + body
