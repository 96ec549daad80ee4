"""Rows on their way from files to days: put down as they come, taken up by day and symbol.

What belongs here: the temporary files of an import. What does not: reading exchange files, writing day files.

Each block of rows becomes one compressed Arrow file with a batch for every (day, symbol) in it, and a short index in
memory, so that a day and symbol can be taken up without reading anything else, however many files there were.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa

from ohlcv_assets.sources.exchange.arrange import decimals_of
from ohlcv_assets.units import DAY, Nanos, day_of

_KEPT: Final = ("ts", "price", "amount", "side", "id")


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
        self.price_decimals = decimals_of(price, self.price_decimals)
        self.amount_decimals = decimals_of(amount, self.amount_decimals)
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
        day = (pl.col("ts") // DAY).alias("_day")
        kept = rows.select("symbol", day, "ts", "price", "amount", "side", _ids(rows["id"]))
        parts = kept.partition_by("symbol", "_day", maintain_order=True, include_key=True)
        schema = parts[0].select(_KEPT).to_arrow().schema
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        path = str(self._path(self._files))
        with pa.OSFile(path, "wb") as sink, pa.ipc.new_file(sink, schema, options=options) as writer:
            for at, part in enumerate(parts):
                symbol, first = part["symbol"][0], Nanos(part["ts"][0])
                self.facts[symbol].take(part)
                self._index[day_of(first)][symbol].append((self._files, at))
                writer.write_table(part.select(_KEPT).to_arrow().combine_chunks())
        self._files += 1

    def days(self) -> tuple[dt.date, ...]:
        """Return the days that have rows, in order."""
        return tuple(sorted(self._index))

    def symbols(self, day: dt.date) -> tuple[str, ...]:
        """Return the symbols that have rows on a day, in order."""
        return tuple(sorted(self._index.get(day, {})))

    def take(self, day: dt.date, symbol: str) -> pl.DataFrame:
        """Return the rows of a symbol and day in the order read: ts, price, amount, side, id.

        Ids are numbers where all of them are whole numbers, else text.
        """
        frames = []
        for file, batch in self._index[day][symbol]:
            with pa.memory_map(str(self._path(file))) as source:
                table = pa.Table.from_batches([pa.ipc.open_file(source).get_batch(batch)])
                frames.append(pl.DataFrame(pl.from_arrow(table)))
        return pl.concat(frames, how="vertical_relaxed", rechunk=True)

    def _path(self, file: int) -> Path:
        return self._folder / f"{file:06d}.arrow"


def _ids(ids: pl.Series) -> pl.Series:
    """Return ids as numbers where all of them are; among others, a whole number in its shortest spelling.

    So an id is the same whatever stands beside it: numbers take half the room and a fraction of the time of text.
    """
    numbers = ids.cast(pl.Int64, strict=False)
    if numbers.null_count() == ids.null_count():
        return numbers
    return pl.select(pl.coalesce(numbers.cast(pl.String), ids).alias("id")).to_series()
