"""A worker that makes nothing, and imports as little as it can."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from multiprocessing.connection import Connection

from ohlcv_assets.orchestration.outcome import DayOutcome
from ohlcv_assets.orchestration.worker import Assignment
from ohlcv_assets.progress import Progress


def fake_work(orders: Connection, _lifeline: Connection, assignment: Assignment) -> None:
    """Do as a worker does, but die of a Friday, and take long over a Saturday where the backfill is called slow."""
    with suppress(EOFError):
        while True:
            day = orders.recv()
            if f"{day:%a}" == "Fri":
                os.kill(os.getpid(), signal.SIGKILL)
            if f"{day:%a}" == "Sat" and assignment.backfill == "slow":
                time.sleep(60)
            if assignment.backfill == "told":
                orders.send(Progress("load", str(day), 1, 1, "trades"))
            orders.send(DayOutcome(day, "made", run_id=assignment.backfill))
