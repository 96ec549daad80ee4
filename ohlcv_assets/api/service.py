"""What all requests share: the project, threads for its store, keys, limits, metrics, the cache of proved answers.

What belongs here: making these parts of settings, and keeping them going. What does not: HTTP.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from ohlcv_assets.api import closed
from ohlcv_assets.api.closed import Closed
from ohlcv_assets.api.jobs import Job, Jobs
from ohlcv_assets.api.keys import FILE, KeyFile
from ohlcv_assets.api.limiter import Limiter
from ohlcv_assets.api.pool import Pool
from ohlcv_assets.api.posting.parts import Posting, open_posting
from ohlcv_assets.api.shelf import Shelf
from ohlcv_assets.api.telemetry import Telemetry
from ohlcv_assets.errors import OhlcvError
from ohlcv_assets.influx_settings import bytes_of
from ohlcv_assets.live.feed import Feed
from ohlcv_assets.live.others import Others
from ohlcv_assets.logs import get_logger
from ohlcv_assets.market.symbols import Symbol
from ohlcv_assets.project import Project, open_project
from ohlcv_assets.settings import Settings
from ohlcv_assets.units import Nanos, day_bounds, day_start

_EARLIER: Final = 0.8
"""The store gives up on a question a little before we do, so that its own words are heard."""

_PULSE: Final = 1.0
"""Seconds between two looks what others have added, at least."""

_SHARE: Final = 10
"""Looking for that takes at most this part of the time."""

_STALE: Final = 3
"""Looks that may fail to take place until what the last one found counts as old."""


def _new_salt() -> str:
    return secrets.token_hex(8)


@dataclass
class Service:
    """The parts, for as long as the service runs.

    Attributes
    ----------
    project, settings
        What is served, and how.
    pool, shelf, keys, limiter, telemetry, jobs
        See their modules.
    open_reads
        Whether reads need no key.
    feed
        Takes trades that were stored just now.
    posting
        Stores trades that are posted, and passes them on to the feed.
    others
        Finds trades that others store, and has the feed read them.
    closed
        Which days will not change any more, as found by the last look.
    version
        Changes whenever that does; answers about closed days are the same for ever under one version.
    trouble
        Why the last look failed; empty where it did not.
    looked
        When it was, by the monotonic clock; None before the first.
    changes
        How often a job, or whoever else knows of it, has changed what the store holds.
    """

    project: Project
    settings: Settings
    pool: Pool
    shelf: Shelf
    keys: KeyFile
    limiter: Limiter
    telemetry: Telemetry
    open_reads: bool
    jobs: Jobs
    feed: Feed
    posting: Posting
    others: Others
    closed: Closed = field(default_factory=Closed)
    trouble: str = ""
    looked: float | None = None
    changes: int = 0
    version: str = ""
    _salt: str = field(default_factory=_new_salt)

    def __post_init__(self) -> None:
        """Have days that get trades count as open at once."""
        self.feed.reopened = self.reopen
        self._close(self.closed)

    @property
    def bounds(self) -> tuple[Nanos, Nanos]:
        """The dataset's days as a range of instants."""
        days = self.project.dataset.days
        return day_start(days[0]), day_bounds(days[-1])[1]

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        return is_loopback(self.settings.serve_host)

    @property
    def fresh(self) -> bool:
        """Whether the last look was made not long ago."""
        return self.looked is not None and time.monotonic() - self.looked < _STALE * self.settings.serve_refresh

    def symbol(self, name: str) -> Symbol:
        """Return a symbol; see ``Universe.symbol`` for what is raised."""
        return self.project.dataset.universe.symbol(name)

    async def look(self) -> None:
        """Look which days are closed; what was kept of days that are not any more is forgotten."""
        began = time.monotonic()
        try:
            found = await self.pool.ask("closed days", lambda: closed.look(self.project))
        except OhlcvError as error:
            if not self.trouble:
                get_logger("api").warning("The store cannot be read.", error=str(error))
            self.trouble = str(error)
            return
        found = found.without(self.feed.published_since(began))
        self._close(found)
        self.trouble, self.looked = "", time.monotonic()
        self.feed.settle(found.trades, found.whole_days, began)
        self.feed.retry()

    def is_still(self, version: str) -> bool:
        """Return whether what was read since there was this version may be kept: no day was made again meanwhile."""
        return version == self.version

    def reopen(self, day: dt.date) -> None:
        """Take a day for closed no more: trades of it were stored just now."""
        if day in self.closed.trades or any(day in days for days in self.closed.bars.values()):
            self._close(self.closed.without({day}))

    def _close(self, found: Closed) -> None:
        """Take days for closed. Where one is not any more, or was made again, nothing that was said of it holds.

        What was read while a day was made again is under the version before, which never comes back.
        """
        if not self.closed.outlives(found):
            self.shelf.clear()
            self._salt = _new_salt()
        self.closed, self.version = found, found.tag(self._salt)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the service going for as long as the context lasts."""
        with ExitStack() as stack:
            stack.callback(self.posting.ledger.close)
            stack.callback(self.pool.close)
            stack.enter_context(self.project.store_kept())
            await self.look()
            changed, loop = asyncio.Event(), asyncio.get_running_loop()
            self.jobs.on_end = lambda job: self._change(job, loop, changed)
            begun = asyncio.Event()
            following = asyncio.create_task(self._follow_others(begun))
            with suppress(TimeoutError):
                async with asyncio.timeout(0 if self.trouble else self.settings.serve_query_timeout):
                    await begun.wait()
            tasks = following, asyncio.create_task(self._keep_looking(changed))
            try:
                async with self.posting.running():
                    try:
                        yield
                    finally:
                        # In a thread: a job may want something of the loop before it ends.
                        await asyncio.to_thread(self.jobs.close)
            finally:
                await _ended(tasks)
                await self.feed.close()

    async def _follow_others(self, begun: asyncio.Event) -> None:
        """Look again and again what others add to the store, but for most of the time leave it alone."""
        pulse, told = min(_PULSE, self.settings.serve_refresh), False
        while True:
            began = time.monotonic()
            try:
                await self.others.look([day for day in self.project.dataset.days if day not in self.closed.whole_days])
                told = False
                begun.set()
            except OhlcvError as error:
                if not told:
                    get_logger("api").warning("Others' trades could not be looked for.", error=str(error))
                told = True
            await asyncio.sleep(max(pulse, _SHARE * (time.monotonic() - began)))

    def _change(self, job: Job, loop: asyncio.AbstractEventLoop, changed: asyncio.Event) -> None:
        """Count a job that has ended; look again at once, and have all others do so who keep what they found."""
        self.telemetry.jobs.labels(job.kind, job.state).inc()
        self.changes += 1
        loop.call_soon_threadsafe(changed.set)

    async def _keep_looking(self, changed: asyncio.Event) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.settings.serve_refresh):
                    await changed.wait()
            changed.clear()
            await self.look()


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def open_service(settings: Settings) -> Service:
    """Return the service that settings describe; nothing is asked of the store yet.

    Raises
    ------
    OhlcvError
        As ``open_project``.
    """
    telemetry = Telemetry()
    project = open_project(_impatient(settings))
    pool = Pool(settings.serve_threads, settings.serve_waiting, settings.serve_query_timeout, telemetry)
    feed = Feed(project, pool.ask, settings.serve_live_days, settings.serve_live_trades)
    return Service(
        project=project,
        settings=settings,
        pool=pool,
        shelf=Shelf(bytes_of(settings.serve_cache)),
        keys=KeyFile(settings.data_dir.absolute() / FILE),
        limiter=Limiter(settings.serve_rate),
        telemetry=telemetry,
        open_reads=settings.serve_open_reads or is_loopback(settings.serve_host),
        jobs=Jobs(settings.serve_jobs, settings.serve_jobs_kept),
        feed=feed,
        posting=open_posting(project, settings, pool, feed.publish),
        others=Others(project, feed, pool.ask, max(1, settings.serve_live_days // len(project.dataset.universe.names))),
    )


def is_loopback(host: str) -> bool:
    """Return whether an address or name means this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _impatient(settings: Settings) -> Settings:
    """Return settings under which the store gives up in time: somebody waits for the answer."""
    most = settings.serve_query_timeout * _EARLIER
    return settings.model_copy(
        update={
            "store_patience": min(settings.store_patience, most),
            "influx_query_timeout": min(settings.influx_query_timeout, most),
            "influx_timeout": min(settings.influx_timeout, most),
            "influx_deadline": min(settings.influx_deadline, most),
            "influx_connections": max(settings.influx_connections, min(64, settings.serve_threads)),
        }
    )
