"""Whether the store would keep what is about to be loaded.

What belongs here: refusing a whole range early, in one sentence. What does not: how long a store keeps trades, which
it knows itself and holds each load to.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from ohlcv_assets.errors import StoreRejectedError
from ohlcv_assets.project import Project


@runtime_checkable
class Forgetful(Protocol):
    """A store that drops trades when they are old enough."""

    def first_kept_day(self) -> dt.date | None:
        """Return the first day that is kept whole as of now; None where everything is kept for ever."""
        ...


def require_kept(project: Project, days: Sequence[dt.date]) -> None:
    """Refuse days that the store of trades would drop.

    Raises
    ------
    StoreRejectedError
        Naming how many, and the first day that is kept.
    """
    store = project.trade_store
    if not days or not isinstance(store, Forgetful):
        return
    first = store.first_kept_day()
    if first is None:
        return
    lost = [day for day in days if day < first]
    if lost:
        raise StoreRejectedError(
            f"{store.name} keeps trades from {first} on, so {len(lost)} of {len(days)} days cannot be loaded (from "
            f"{min(lost)} to {max(lost)}): begin with --from {first}, or set OHLCV_INFLUX_RETENTION=0 and run "
            "`ohlcv influx setup`; nothing was written."
        )
