"""Trades made by the generator, as a source.

What belongs here: batches, counts and fingerprints of generated days. What does not: the generator itself
(``generate``) and the plan (``market.plan``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa

from ohlcv_assets.generate.generator import GENERATOR_VERSION, Generator
from ohlcv_assets.generate.kernels import TradeColumns
from ohlcv_assets.market.grid import values_of
from ohlcv_assets.market.plan import Plan
from ohlcv_assets.market.schema import SCHEMA_VERSION, SYMBOL_TYPE, TRADES, TS_TYPE
from ohlcv_assets.market.symbols import Symbol, Universe
from ohlcv_assets.progress import Observer, Progress
from ohlcv_assets.sources.base import TradeSource


class SyntheticSource(TradeSource):
    """Generated trades of every day of a plan.

    Parameters
    ----------
    generator
        Makes the trades of a (symbol, day).
    plan
        How many there are of each.
    seed
        The seed that both were made with: part of the fingerprint.
    batch_rows
        Trades generated at a time; changes no trade.
    """

    def __init__(self, generator: Generator, plan: Plan, seed: int, *, batch_rows: int = 100_000) -> None:
        self._generator = generator
        self._plan = plan
        self._seed = seed
        self._batch_rows = batch_rows

    @property
    def universe(self) -> Universe:
        """Symbols of the plan."""
        return self._plan.universe

    @property
    def days(self) -> tuple[dt.date, ...]:
        """Every day of the plan."""
        return self._plan.days

    def counts(self, day: dt.date) -> Mapping[str, int]:
        """Return the planned trades of a day per symbol, zeros included."""
        return self._plan.day_counts(day)

    def first_ids(self, day: dt.date) -> Mapping[str, int]:
        """Return the id of each symbol's first trade that day: how many the plan has before it."""
        return {name: self._plan.first_id(name, day) for name in self.universe.names}

    def fingerprint(self, day: dt.date) -> Mapping[str, str]:
        """Return what a generated day depends on."""
        strategies = self._generator.strategies
        return {
            "source": "synthetic",
            "generator": str(GENERATOR_VERSION),
            "schema": str(SCHEMA_VERSION),
            "seed": str(self._seed),
            "universe": self.universe.digest,
            "price_model": strategies.price_model,
            "arrivals": strategies.arrivals,
            "sizes": strategies.sizes,
            "days": f"{self.days[0].isoformat()}/{self.days[-1].isoformat()}",
            "total": str(self._plan.total),
            "plan": self._plan.digest(day),
        }

    def batches(self, day: dt.date, observer: Observer) -> Iterator[pa.RecordBatch]:
        """Yield a day's generated trades, one symbol a batch."""
        done = 0
        counts = self.counts(day)
        total = sum(counts.values())
        for symbol in self.universe.symbols:
            if counts[symbol.name] == 0:
                continue
            first_id = self._plan.first_id(symbol.name, day)
            for chunk in self._generator.chunks(symbol.name, day, self._batch_rows):
                batch = _batch(symbol, chunk, first_id)
                first_id += batch.num_rows
                done += batch.num_rows
                yield batch
                observer(Progress("generate", day.isoformat(), done, total, "trades"))


def _batch(symbol: Symbol, chunk: TradeColumns, first_id: int) -> pa.RecordBatch:
    """Return a chunk as trades; prices and amounts are divided, never multiplied by a rounded step."""
    rows = len(chunk.ts)
    names = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array([symbol.name]))
    return pa.RecordBatch.from_arrays(
        [
            names.cast(SYMBOL_TYPE),
            pa.array(chunk.ts).cast(TS_TYPE),
            pa.array(values_of(chunk.ticks, symbol.ticks_per_unit)),
            pa.array(values_of(chunk.lots, symbol.lots_per_unit)),
            pa.array(chunk.side),
            pa.array(np.arange(first_id, first_id + rows)),
        ],
        schema=TRADES,
    )
