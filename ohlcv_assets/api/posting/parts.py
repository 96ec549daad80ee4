"""The parts of posting, made of settings, and kept going.

What belongs here: assembly. What does not: any part.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from ohlcv_assets.api.pool import Pool
from ohlcv_assets.api.posting.commit import Committer
from ohlcv_assets.api.posting.desk import Desk, Publish
from ohlcv_assets.api.posting.ledger import FILE, Ledger
from ohlcv_assets.api.posting.parsing import Parser
from ohlcv_assets.project import Project
from ohlcv_assets.settings import Settings
from ohlcv_assets.units import day_bounds, day_start


@dataclass(frozen=True, slots=True)
class Posting:
    """What takes trades in.

    Attributes
    ----------
    parser, desk, ledger
        See their modules.
    """

    parser: Parser
    desk: Desk
    ledger: Ledger

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Carry out what is posted for as long as the context lasts."""
        task = asyncio.create_task(self.desk.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def open_posting(project: Project, settings: Settings, pool: Pool, publish: Publish) -> Posting:
    """Return the parts for a project; nothing is opened yet.

    Parameters
    ----------
    project
        Whose trades.
    settings
        Limits.
    pool
        Runs commits.
    publish
        Told of trades that were stored.
    """
    dataset = project.dataset
    # What a store in memory holds ends with the process, and so does what is remembered of it.
    path = None if settings.store_in_force == "memory" else dataset.root / FILE
    ledger = Ledger(path, settings.serve_ledger)
    bounds = day_start(dataset.days[0]), day_bounds(dataset.days[-1])[1]
    return Posting(
        Parser(dataset.universe, bounds, settings.serve_trades),
        Desk(pool, Committer(project, ledger).commit, publish, settings.serve_posted),
        ledger,
    )
