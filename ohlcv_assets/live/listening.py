"""What a feed tells, and whom.

What belongs here: these two. What does not: when it is told (``feed``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ohlcv_assets.bars.split import Columns


@dataclass(frozen=True, slots=True)
class Change:
    """Bars that are other ones now.

    Attributes
    ----------
    symbol
        Of which symbol.
    opens
        Open times of the one-minute bars, ascending, all of one day; longer bars around them changed as well.
    at
        When the first of the trades was published, by the monotonic clock.
    """

    symbol: str
    opens: NDArray[np.int64]
    at: float


class Listener(Protocol):
    """Is told, on the event loop; must not wait."""

    def follows(self, symbol: str) -> bool:
        """Return whether anybody wants to be told of a symbol."""
        ...

    def changed(self, change: Change) -> None:
        """Take notice of bars that changed."""
        ...

    def traded(self, symbol: str, trades: Columns, at: float) -> None:
        """Take notice of trades of a symbol, ascending, published at that time."""
        ...
