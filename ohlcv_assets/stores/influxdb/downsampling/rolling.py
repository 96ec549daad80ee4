"""Having the server make bars, and seeing that it made them.

What belongs here: sending the scripts, in smaller parts where one takes too long, and what the stored bars of a day add
up to. What does not: the scripts (``scripts``), leases and deletes (``bars``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from ohlcv_assets.bars.resolutions import Resolution
from ohlcv_assets.stores.influxdb.downsampling.scripts import chunk_script, duration_of
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.lineprotocol.literals import symbol_of
from ohlcv_assets.stores.influxdb.reads.asking import Asker, QueryTimeout
from ohlcv_assets.stores.influxdb.reads.parts import Part
from ohlcv_assets.stores.influxdb.reads.points import BARS_SHAPE, KEPT, field_counts, flux_points


@dataclass(frozen=True, slots=True)
class Held:
    """What the stored bars of a resolution add up to in a range.

    Attributes
    ----------
    trades
        How many trades the bars of each symbol say they hold.
    bars
        How many bars there are.
    torn
        Whether some of them lack a field.
    """

    trades: Mapping[str, int]
    bars: int
    torn: bool

    @property
    def empty(self) -> bool:
        """Whether there is not a point."""
        return self.bars == 0 and not self.torn

    def fits(self, promised: Mapping[str, int]) -> bool:
        """Return whether these can be the bars of so many trades of each symbol, none missing and none too many."""
        return not self.torn and self.trades == {symbol: rows for symbol, rows in promised.items() if rows > 0}


def roll_up(asker: Asker, layout: Layout, resolution: Resolution, start: int, stop: int) -> None:
    """Have the server make the bars of a range, over those that are there.

    Parameters
    ----------
    asker
        The way to the server; a script that takes longer than its patience is sent again for each half of its range.
    layout
        The buckets.
    resolution
        A stored one.
    start, stop
        Nanoseconds UTC, half open, both open times of the resolution.

    Raises
    ------
    QueryTimeout
        A single bar took too long.
    StoreQueryError, StoreAccessError, StoreUnavailableError
        It did not work; some of the bars may be made, and it may be asked again.
    """
    try:
        asker.flux(chunk_script(resolution, layout, start, stop), f"{resolution.name} bars", (start, stop))
    except QueryTimeout:
        duration = duration_of(resolution)
        middle = start + (stop - start) // duration // 2 * duration
        if middle == start:
            raise
        roll_up(asker, layout, resolution, start, middle)
        roll_up(asker, layout, resolution, middle, stop)


def held(asker: Asker, bucket: str, part: Part) -> Held:
    """Return what stored bars add up to, added up by the server."""
    found = field_counts(asker, BARS_SHAPE, bucket, part, name="bar_counts")
    torn = any(len({fields[name] for name in BARS_SHAPE.fields}) > 1 for fields in found.values())
    days = f"|> aggregateWindow(every: 1d, fn: sum, createEmpty: false){KEPT}"
    sums = asker.flux(f"{flux_points(BARS_SHAPE, bucket, part, 'trades')}\n{days}", "bar_trades")
    trades: Counter[str] = Counter()
    for row in sums.to_pylist():
        trades[symbol_of(row["symbol"])] += int(row["_value"])
    return Held(dict(trades), sum(fields["trades"] for fields in found.values()), torn)
