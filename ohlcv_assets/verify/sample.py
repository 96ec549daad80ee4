"""A seeded random sample of trades, read back from the store and compared field by field.

What belongs here: picking and comparing. What does not: fetching the picks from a store.
"""

from __future__ import annotations

from typing import Any, Final, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ohlcv_assets.bars.split import run_starts
from ohlcv_assets.market.schema import STORED
from ohlcv_assets.verify.compare import differences
from ohlcv_assets.verify.verdict import Verdict

DEFAULT_SIZE: Final = 200


def sample_keys(trades: pa.Table, seed: int, size: int = DEFAULT_SIZE) -> pa.Table:
    """Pick trades to read back: spread over symbols in proportion and over each symbol's day evenly.

    Every symbol gives at least one where ``size`` allows. The same trades, seed and size give the same picks.

    Parameters
    ----------
    trades
        ``market.schema.TRADES`` or ``STORED``, the trades of a symbol together.
    seed
        Not negative.
    size
        How many, zero for none; more than there are means all.

    Returns
    -------
    pa.Table
        ``market.schema.STORED`` rows in the order of ``trades``: the keys to fetch and what to expect of them.
    """
    rows = trades.num_rows
    if size >= rows:
        return trades.select(STORED.names)
    generator = np.random.default_rng([seed, rows])
    picks = _strata(generator, 0, rows, size)
    starts = _symbol_starts(trades)
    if size >= len(starts):
        counts = np.diff(np.append(starts, rows))
        quotas = _quotas(counts, size)
        parts = zip(starts.tolist(), counts.tolist(), quotas.tolist(), strict=True)
        picks = np.concatenate([_strata(generator, start, count, quota) for start, count, quota in parts])
    return trades.select(STORED.names).take(pa.array(picks, pa.int64()))


def sample(expected_rows: pa.Table, found_rows: pa.Table) -> Verdict:
    """Compare picked trades with what the store gave back for their keys; nothing may differ by a single bit.

    Parameters
    ----------
    expected_rows
        What ``sample_keys`` picked from the file.
    found_rows
        ``market.schema.STORED`` as the store returned it.
    """
    found = differences(expected_rows, found_rows, keys=("symbol", "ts"), exact=("price", "amount", "side"))
    passed = found.total == 0
    number = expected_rows.num_rows
    symbols = len(expected_rows["symbol"].unique())
    summary = (
        f"All {number:,} trades picked at random from {symbols} symbols were read back bit for bit."
        if passed
        else f"Trades read back from the store are not those of the file: {found.sentence()}"
    )
    return Verdict(
        "sample", passed, summary, {"trades": number}, {"trades": found_rows.num_rows}, found.first, found.total
    )


def _symbol_starts(trades: pa.Table) -> NDArray[np.int64]:
    """Return the first row of each symbol's trades."""
    encoded = trades["symbol"].unify_dictionaries().combine_chunks()
    return run_starts(cast("pa.DictionaryArray[Any, Any]", encoded).indices.to_numpy())  # Any: types do not matter


def _quotas(counts: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Give each symbol one and share the rest in proportion to its other trades, largest remainders first."""
    others = counts - 1
    shares = (size - len(counts)) * others / max(int(others.sum()), 1)
    quotas = np.floor(shares).astype(np.int64)
    left = size - len(counts) - int(quotas.sum())
    quotas[np.argsort(quotas - shares, kind="stable")[:left]] += 1
    return quotas + 1


def _strata(generator: np.random.Generator, start: int, count: int, quota: int) -> NDArray[np.int64]:
    """Cut ``count`` rows into ``quota`` parts of nearly equal length and pick one row of each."""
    bounds = start + np.arange(quota + 1) * count // max(quota, 1)
    return generator.integers(bounds[:-1], bounds[1:])
