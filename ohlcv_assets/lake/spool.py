"""Rows on their way from files to days: put down as they come, taken up by day and symbol.

What belongs here: the temporary files of an import. What does not: reading exchange files, writing day files.

Each block of rows becomes one compressed Arrow file with a batch for every (day, symbol) in it, and a short index in
memory, so that a day and symbol can be taken up without reading anything else, however many files there were.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from ohlcv_assets.sources.exchange.arrange import decimals_of
from ohlcv_assets.units import DAY, Nanos, day_of


class SymbolFacts:
    """What has been seen of a symbol: enough to describe it in a universe."""

    def __init__(self) -> None:
        self.rows = 0
        self.amount = 0.0
        self.first_ts = np.iinfo(np.int64).max
        self.first_price = 0.0
        self.price_decimals = 0
        self.amount_decimals = 0
        self.most_price = 0.0
        self.most_amount = 0.0

    def take(self, rows: pl.DataFrame) -> None:
        """Take in some rows of the symbol."""
        ts, price, amount = (rows[name].to_numpy() for name in ("ts", "price", "amount"))
        earliest = int(ts.argmin())
        if ts[earliest] < self.first_ts:
            self.first_ts, self.first_price = int(ts[earliest]), float(price[earliest])
        self.rows += rows.height
        self.amount += float(amount.sum())
        self.price_decimals = max(self.price_decimals, decimals_of(price))
        self.amount_decimals = max(self.amount_decimals, decimals_of(amount))
        self.most_price = max(self.most_price, float(price.max()))
        self.most_amount = max(self.most_amount, float(amount.max()))


class Spool:
    """Rows put down in a folder, which is the caller's to remove."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = 0
        self._index: dict[dt.date, dict[str, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
        self.facts: dict[str, SymbolFacts] = defaultdict(SymbolFacts)

    def put(self, rows: pl.DataFrame) -> None:
        """Put down ``canonical.CANONICAL`` rows, in the order read."""
        if rows.height == 0:
            return
        dated = rows.with_columns((pl.col("ts") // DAY).alias("_day"))
        parts = dated.partition_by("_day", "symbol", maintain_order=True, include_key=True)
        schema = parts[0].drop("_day").to_arrow().schema
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        path = str(self._path(self._files))
        with pa.OSFile(path, "wb") as sink, pa.ipc.new_file(sink, schema, options=options) as writer:
            for at, part in enumerate(parts):
                symbol, day = part["symbol"][0], day_of(Nanos(part["ts"][0]))
                self.facts[symbol].take(part)
                self._index[day][symbol].append((self._files, at))
                writer.write_table(part.drop("_day").to_arrow().combine_chunks())
        self._files += 1

    def days(self) -> tuple[dt.date, ...]:
        """Return the days that have rows, in order."""
        return tuple(sorted(self._index))

    def symbols(self, day: dt.date) -> tuple[str, ...]:
        """Return the symbols that have rows on a day, in order."""
        return tuple(sorted(self._index.get(day, {})))

    def take(self, day: dt.date, symbol: str) -> pl.DataFrame:
        """Return the rows of a symbol and day in the order read."""
        tables = []
        for file, batch in self._index[day][symbol]:
            with pa.memory_map(str(self._path(file))) as source:
                tables.append(pa.Table.from_batches([pa.ipc.open_file(source).get_batch(batch)]))
        return pl.DataFrame(pl.from_arrow(pa.concat_tables(tables)))

    def _path(self, file: int) -> Path:
        return self._folder / f"{file:06d}.arrow"
