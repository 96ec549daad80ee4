"""The lease of one who adds to the same days again and again, kept from one time to the next.

What belongs here: how long it is kept, and giving it away. What does not: the lease itself (``leases``).

Taking and giving back costs some ten requests, half of which the server writes to its disk. Whoever adds trades many
times a second keeps the lease between them instead and goes on showing that it writes, so that both rules hold as they
do for one long write. Nobody has to wait for it: who waits for a label that is kept says so on it, and the holder looks
for that several times a second and gives the lease back as soon as nothing is under way. It comes back no sooner than
somebody who waits has surely looked.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from ohlcv_assets.errors import StoreError
from ohlcv_assets.stores.influxdb.leasing.holders import LONGEST_PAUSE
from ohlcv_assets.stores.influxdb.leasing.lease import DayLease, LeaseOverdueError
from ohlcv_assets.stores.influxdb.leasing.leases import Leases

IDLE: Final = 5.0
"""Seconds after which a lease is given back that nobody used."""

LOOK: Final = 0.2
"""Seconds between two looks whether somebody waits."""

ASIDE: Final = 2 * LONGEST_PAUSE
"""Seconds that are left to whoever waits."""

MOST_DAYS: Final = 16
"""Days that are kept at a time; a hold of more is given back when it ends."""


class KeptLease:
    """A lease of days that is kept while ``keeping`` lasts, and otherwise given back after every use.

    Safe to use from several threads: one after the other.

    Parameters
    ----------
    leases
        The bucket's.
    """

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self._turn = threading.RLock()
        self._keeping = 0
        self._user: int | None = None
        self._days: frozenset[dt.date] = frozenset()
        self._lease: DayLease | None = None
        self._stack = ExitStack()
        self._over = threading.Event()
        self._wanted = False
        self._used = 0.0
        self._not_before = 0.0

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Keep the lease between uses for as long as the context lasts."""
        with self._turn:
            self._keeping += 1
        try:
            yield
        finally:
            with self._turn:
                self._keeping -= 1
                if self._keeping == 0:
                    self._give_back()

    @contextmanager
    def holding(self, days: Collection[dt.date]) -> Iterator[DayLease]:
        """Hold days as one who writes; see ``Leases.days`` and ``DayLease.writing`` for what it raises.

        Not to be nested. Left by an error, the lease is given back; who wrote without a reply has told the lease.
        """
        with self._turn:
            lease = self._taken(frozenset(days))
            self._user = threading.get_ident()
            well = False
            try:
                yield lease
                well = True
            finally:
                self._user = None
                self._used = time.monotonic()
                if not well or self._wanted or self._keeping == 0 or len(self._days) > MOST_DAYS:
                    self._give_back()

    @property
    def now(self) -> DayLease | None:
        """The lease that is kept or used now; None where there is none."""
        return self._lease

    def held(self, days: Collection[dt.date]) -> DayLease | None:
        """Return the lease of days that the calling thread holds by it; None where it does not."""
        mine = self._user == threading.get_ident() and self._days.issuperset(days)
        return self._lease if mine else None

    def _taken(self, days: frozenset[dt.date]) -> DayLease:
        """Return a lease of some days that is ours: the one that is kept, or a new one."""
        if self._lease is not None:
            try:
                self._lease.check()
            except (StoreError, LeaseOverdueError):
                self._give_back()
        if self._lease is not None:
            if days <= self._days:
                return self._lease
            more = self._days | days
            # Days are taken in their order, so that no two wait for each other: those that are kept are no exception.
            self._give_back()
            days = more if len(more) <= MOST_DAYS else days
        # Nobody else of this process gets in meanwhile, and nobody waits for us: nothing is held.
        time.sleep(max(0.0, self._not_before - time.monotonic()))
        return self._take(days)

    def _take(self, days: frozenset[dt.date]) -> DayLease:
        kept = self._keeping > 0 and len(days) <= MOST_DAYS
        with ExitStack() as stack:
            lease = stack.enter_context(self._leases.days(sorted(days), kept=kept))
            stack.enter_context(lease.writing())
            self._stack = stack.pop_all()
        self._lease, self._days, self._wanted, self._over = lease, days, False, threading.Event()
        if kept:
            threading.Thread(target=self._watch, args=(lease, self._over), name="kept-lease", daemon=True).start()
        return lease

    def _give_back(self) -> None:
        """Give the lease back, if there is one."""
        if self._lease is None:
            return
        if self._wanted:
            self._not_before = time.monotonic() + ASIDE
        self._lease, self._days = None, frozenset()
        self._over.set()
        self._stack.close()

    def _watch(self, lease: DayLease, over: threading.Event) -> None:
        """Give a lease back when somebody waits for it or nobody uses it."""
        while not over.wait(LOOK):
            wanted = lease.wanted()
            if wanted and self._lease is lease:
                # Whoever uses it gives it back when it is done, however soon somebody else comes for it.
                self._wanted = True
            if wanted or time.monotonic() - self._used > IDLE:
                with self._turn:
                    if self._lease is lease and (wanted or time.monotonic() - self._used > IDLE):
                        self._give_back()
