"""What subscribers follow: the changes of one symbol's bars of one resolution, or its trades, numbered.

What belongs here: numbers, what changed since a number, and that as text. What does not: who follows, sending.

A topic of bars keeps which bars changed and when, not what they were: whoever is behind is told the last state of
each. So nothing piles up for a slow subscriber, and resuming is the same as catching up.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any, Final, Protocol

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ohlcv_assets.bars.labels import bar_numbers, open_times
from ohlcv_assets.bars.resolutions import Resolution
from ohlcv_assets.bars.split import Columns
from ohlcv_assets.market.schema import TS_TYPE

MOST_BARS: Final = 2_000
"""Changed bars that are remembered of a topic."""

MOST_TRADES: Final = 20_000
"""Trades that are remembered of a topic."""

TIME_FORM: Final = "%Y-%m-%dT%H:%M:%SZ"
_MILLISECOND: Final = 1_000_000

Values = Callable[[NDArray[np.int64]], Columns | None]
"""Gives bars by their open times, ascending; None where they are not at hand."""


class Follower(Protocol):
    """Is told that there is something new; must not wait."""

    def wake(self) -> None:
        """Take notice."""
        ...


class Topic:
    """What followers follow.

    Attributes
    ----------
    symbol
        Of which symbol.
    seq
        Number of the last change.
    at
        When the last change was published, by the monotonic clock.
    followers
        Who is told of changes.
    """

    def __init__(self, symbol: str, seq: int) -> None:
        self.symbol = symbol
        self.seq = seq
        self.at = 0.0
        self.followers: set[Follower] = set()
        self._known = seq  # what changed later is remembered

    def frame(self, number: int, since: int) -> str | None:
        """Return a frame with all that changed since a number; None where that is not known any more.

        Parameters
        ----------
        number
            The subscription's id.
        since
            Less than ``seq``.
        """
        raise NotImplementedError

    def changed(self, since: int) -> str | None:
        """Return all that changed since a number as JSON; None where that is not known any more."""
        raise NotImplementedError

    def knows(self, since: int) -> bool:
        """Return whether all that changed since a number is remembered."""
        return self._known <= since <= self.seq

    def _tell(self, at: float) -> None:
        self.at = at
        for one in self.followers:
            one.wake()


class BarTopic(Topic):
    """The bars of one symbol and resolution.

    Parameters
    ----------
    symbol, resolution
        Which.
    values
        Gives their last state.
    seq
        Number of the last change before now.
    """

    def __init__(self, symbol: str, resolution: Resolution, values: Values, seq: int) -> None:
        super().__init__(symbol, seq)
        self.resolution = resolution
        self.values = values
        self._changed: OrderedDict[int, int] = OrderedDict()
        self._frames: dict[tuple[int, int], str | None] = {}
        self._bodies: dict[int, str | None] = {}

    def opens_of(self, minutes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the open times of the bars that minutes, ascending, lie in."""
        numbers = bar_numbers(minutes, self.resolution)
        return open_times(numbers[:1] if numbers[0] == numbers[-1] else np.unique(numbers), self.resolution)

    def apply(self, opens: NDArray[np.int64], at: float) -> None:
        """Take notice that bars changed."""
        self.seq += 1
        self._frames.clear()
        self._bodies.clear()
        for one in opens.tolist():
            self._changed[one] = self.seq
            self._changed.move_to_end(one)
        while len(self._changed) > MOST_BARS:
            self._known = self._changed.popitem(last=False)[1]
        self._tell(at)

    def frame(self, number: int, since: int) -> str | None:
        """Return an update with all bars that changed since a number."""
        key = number, since
        if key not in self._frames:
            bars = self.changed(since)
            head = f'{{"type":"update","id":{number},"prev":{since},"seq":{self.seq},"bars":'
            self._frames[key] = None if bars is None else f"{head}{bars}}}"
        return self._frames[key]

    def changed(self, since: int) -> str | None:
        """Return the bars that changed since a number as JSON; None where they are not known any more."""
        if since not in self._bodies:
            self._bodies[since] = self._body(since) if self.knows(since) else None
        return self._bodies[since]

    def _body(self, since: int) -> str | None:
        opens: list[int] = []
        for one, seq in reversed(self._changed.items()):
            if seq <= since:
                break
            opens.append(one)
        if not opens:
            return bars_text(NO_BARS)
        columns = self.values(np.array(sorted(opens), np.int64))
        return None if columns is None else bars_text(columns)


class TradeTopic(Topic):
    """The trades of one symbol.

    Parameters
    ----------
    symbol
        Which.
    seq
        Number of the last change before now.
    """

    def __init__(self, symbol: str, seq: int) -> None:
        super().__init__(symbol, seq)
        self._rows = 0
        self._batches: deque[tuple[int, Columns]] = deque()
        self._frames: dict[tuple[int, int], str | None] = {}

    def apply(self, trades: Columns, at: float) -> None:
        """Take notice of trades."""
        self.seq += 1
        self._frames.clear()
        self._batches.append((self.seq, trades))
        self._rows += len(trades["ts"])
        while self._rows > MOST_TRADES and len(self._batches) > 1:
            self._known, gone = self._batches.popleft()
            self._rows -= len(gone["ts"])
        self._tell(at)

    def frame(self, number: int, since: int) -> str | None:
        """Return a frame with all trades since a number."""
        key = number, since
        if key not in self._frames:
            trades = self.changed(since)
            head = f'{{"type":"trades","id":{number},"prev":{since},"seq":{self.seq},"trades":'
            self._frames[key] = None if trades is None else f"{head}{trades}}}"
        return self._frames[key]

    def changed(self, since: int) -> str | None:
        """Return the trades since a number as JSON; None where not all of them are remembered."""
        if not self.knows(since):
            return None
        batches = []
        for seq, trades in reversed(self._batches):
            if seq <= since:
                break
            batches.append(trades)
        return trades_text([*reversed(batches)])


NO_BARS: Final[Columns] = {
    name: np.empty(0) for name in ("ts", "open", "high", "low", "close", "volume", "turnover", "trades", "imbalance")
}


def bars_text(columns: Columns) -> str:
    """Return bars as JSON, with the columns that ``GET /api/v1/ohlc`` has."""
    return _text(
        {
            "t": columns["ts"] // _MILLISECOND,
            "o": columns["open"],
            "h": columns["high"],
            "l": columns["low"],
            "c": columns["close"],
            "v": columns["volume"],
            "n": columns["trades"],
            "vw": columns["turnover"] / columns["volume"],
            "q": columns["turnover"],
            "i": columns["imbalance"],
        }
    )


def trades_text(batches: list[Columns]) -> str:
    """Return trades as JSON, with the columns that ``GET /api/v1/trades`` has."""
    names = ("ts", "price", "amount", "side")
    if not batches:
        return _text({name: [] for name in names})
    columns = {name: np.concatenate([batch[name] for batch in batches]) for name in names}
    instants = pc.strftime(pa.array(columns["ts"], pa.int64()).cast(TS_TYPE), format=TIME_FORM).to_pylist()  # type: ignore[arg-type]  # zones are left out of the types
    return _text({**columns, "ts": instants})


def _text(columns: dict[str, Any]) -> str:  # Any: arrays and lists
    lists = {name: column.tolist() if isinstance(column, np.ndarray) else column for name, column in columns.items()}
    return orjson.dumps(lists).decode()
