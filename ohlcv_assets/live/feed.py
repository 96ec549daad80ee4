"""Where trades go after they were stored: the one entry of everything that is live.

What belongs here: taking trades over. What does not: storing them, which whoever posts them has done before.
"""

from __future__ import annotations

import pyarrow as pa

from ohlcv_assets.errors import StoreRejectedError
from ohlcv_assets.market.schema import STORED


class Feed:
    """Takes trades that were stored; to be used from the event loop alone."""

    def __init__(self) -> None:
        self.taken = 0

    async def publish(self, trades: pa.Table) -> None:
        """Take trades that are in the store by now.

        Parameters
        ----------
        trades
            ``market.schema.STORED``, in any order; trades that were published before do no harm.

        Raises
        ------
        StoreRejectedError
            The table has other columns.
        """
        if not set(STORED.names) <= set(trades.schema.names):
            raise StoreRejectedError(f"Trades have the columns {', '.join(STORED.names)}; these have others.")
        self.taken += trades.num_rows
