"""Leases: who may write which day, and who may delete, agreed on by all processes that use a server.

What belongs here: one lease: taking, keeping and giving back. What does not: the leases of a bucket (``leases``), the
labels that they are made of (``labels``), judging other holders (``holders``), what is done under a lease (``trades``,
``bars``).

Two rules are kept. A day is changed by one holder at a time. And nobody deletes while somebody writes, anywhere in the
bucket, because the server's clean-up of its index after a delete may lose points of a series that is being written.
For the second, a writer first shows that it writes and then looks whether somebody deletes, while a deleter first
shows that it deletes and then looks whether somebody writes: whatever the order of events, one of them sees the other
(Dekker's protocol; the server answers requests about labels one after another). The writer is the one who yields.

A lease says until when it lasts, by the server's clock, and a thread renews it. Where it was not renewed in time, or
its process is gone from this machine, others may take it; where its holder may have had requests under way they wait a
little longer first, so that a holder whose server was away gets it back rather than somebody else. For the same reason
a holder that leaves requests without a reply behind ends its lease instead of giving it back: what it sent may still
arrive, and must find nobody else's trades in its place.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
import uuid
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ohlcv_assets.errors import StoreBusyError, StoreError
from ohlcv_assets.stores.influxdb.leasing.holders import (
    HOLDERS,
    KEPT,
    WANTED,
    Mode,
    Watch,
    described,
    properties_of,
)
from ohlcv_assets.stores.influxdb.leasing.labels import Label
from ohlcv_assets.stores.influxdb.leasing.processes import this_process

if TYPE_CHECKING:
    from ohlcv_assets.stores.influxdb.leasing.leases import Leases

OVERDUE_PAUSE: Final = 1.0
"""Seconds between attempts to renew what could not be renewed."""


ENDED: Final = "0"
"""End of a lease that is over already."""

RELEASING: Final = 2.0
"""Seconds for which giving a lease back is repeated: one lost reply should not make others wait for its end."""


class LeaseOverdueError(ConnectionError):
    """A lease could not be renewed in time; whether it is still ours shows once the server answers."""


@dataclass(slots=True)
class _Held:
    """A label that we hold: until that tick nobody can think that it has ended."""

    name: str
    id: str
    mode: Mode
    until: float


class DayLease:
    """Some days held by this process.

    Attributes
    ----------
    waited
        Seconds spent waiting for others.
    """

    def __init__(self, leases: Leases, names: Sequence[str], mode: Mode = "idle", *, kept: bool = False) -> None:
        self.waited = 0.0
        self._kept = kept
        self._made = 0
        self._mode: Mode = mode
        self._leases = leases
        self._names = names
        self._holder = uuid.uuid4().hex
        self._process = this_process()
        self._held: dict[str, _Held] = {}
        self._asked_for: str | None = None
        self._lost: str | None = None
        self._unanswered = False
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._over = False
        self._keeper = threading.Thread(target=self._keep, name="lease", daemon=True)

    def take(self) -> None:
        """Take all of its days, and renew them from now on."""
        HOLDERS.add(self._holder)
        self._keeper.start()
        for name in self._names:
            self._acquire(name, self._mode)

    def release(self) -> None:
        """Give everything back; what cannot be given back now ends by itself."""
        self._over = True
        self._wake.set()
        if self._keeper.is_alive():
            self._keeper.join()
        self._find_what_was_asked_for()
        try:
            for held in list(self._held.values()):
                self._drop(held, settled=not self._unanswered)
        finally:
            HOLDERS.discard(self._holder)

    def unanswered(self) -> None:
        """Take notice of a request without a reply, which may arrive late: others are to wait the grace out."""
        self._unanswered = True

    def mark(self, day: dt.date) -> Hashable:  # noqa: ARG002 -- the same for all of them
        """Return what stays equal for as long as nobody else can have held one of the days."""
        return self._holder, self._made

    def is_ours(self, label: Label) -> bool:
        """Return whether a label belongs to this lease."""
        return label.properties.get("holder") == self._holder

    def wanted(self) -> bool:
        """Return whether somebody has said to be waiting for a label that is kept; False where that cannot be told."""
        ours = {held.id for held in list(self._held.values())}
        with suppress(StoreError):
            found, _ = self._leases.labels.all(self._leases.prefix)
            return any(label.id in ours and WANTED in label.properties for label in found)
        return False

    def check(self) -> None:
        """Make sure that the lease is still ours; to be called before every request that depends on it.

        Raises
        ------
        StoreBusyError
            Somebody else has taken it over.
        LeaseOverdueError
            It could not be renewed in time: try again.
        """
        self._require_ours()
        if self._overdue():
            self._wake.set()
            raise LeaseOverdueError("a lease could not be renewed in time")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Write only when nobody deletes; others take us for a writer until the lease ends.

        Left by an error, it is taken that requests were not answered.

        Raises
        ------
        StoreBusyError
            Somebody deleted for longer than our patience.
        """
        watch = self._leases.watch()
        while True:
            self._show("writing")
            deleter, now = self._leases.labels.named(self._leases.delete_name)
            if deleter is None or watch.removed(deleter, now):
                break
            self._show("idle")
            self._wait(watch, deleter)
        try:
            yield
        except BaseException:
            self.unanswered()
            raise

    @contextmanager
    def deleting(self) -> Iterator[None]:
        """Delete only when nobody writes and nobody else deletes.

        Raises
        ------
        StoreBusyError
            Somebody wrote or deleted for longer than our patience.
        """
        leases = self._leases
        # Two who write and both want to delete would wait for each other.
        self._show("idle")
        self._acquire(leases.delete_name, "deleting")
        began = settled = False
        try:
            watch = leases.watch()
            while (writer := self._other_writer(watch)) is not None:
                self._wait(watch, writer)
            began = True
            yield
            settled = True
        finally:
            self._drop(self._held[leases.delete_name], settled=settled or not began)

    def _other_writer(self, watch: Watch) -> Label | None:
        """Return the lease of somebody else who writes, or None where there is no such one."""
        found, now = self._leases.labels.all(self._leases.prefix)
        for label in found:
            writes = label.properties.get("mode") == "writing" and label.properties.get("holder") != self._holder
            if writes and not watch.removed(label, now):
                return label
        return None

    def _acquire(self, name: str, mode: Mode) -> None:
        """Make a label ours, waiting for whoever has it."""
        watch = self._leases.watch()
        while not self._create(name, mode):
            found, now = self._leases.labels.named(name)
            if found is not None and not watch.removed(found, now):
                self._wait(watch, found)

    def _create(self, name: str, mode: Mode) -> bool:
        """Make a label and return True, or return False where somebody else has it."""
        labels = self._leases.labels
        if not self._leases.clock.known:
            labels.ask_the_time()
        expires, until = self._span()
        self._asked_for = name
        properties = properties_of(self._holder, self._process, mode, expires)
        label = labels.create(name, properties | ({KEPT: "1"} if self._kept else {}))
        if label is None:
            label = self._mine(name)
        if label is not None:
            with self._lock:
                self._held[name] = _Held(name, label.id, mode, until)
                self._made += 1
        self._asked_for = None
        return label is not None

    def _mine(self, name: str) -> Label | None:
        """Return a label of ours that was made by a request whose reply was lost."""
        found, _ = self._leases.labels.named(name)
        return None if found is None or found.properties.get("holder") != self._holder else found

    def _find_what_was_asked_for(self) -> None:
        """Find a label whose making was interrupted, so that it is given back with the others."""
        if self._asked_for is not None:
            with suppress(StoreError):
                found = self._mine(self._asked_for)
                if found is not None:
                    self._held[found.name] = _Held(found.name, found.id, "idle", 0.0)

    def _span(self) -> tuple[str, float]:
        """Return until when what is renewed now lasts: by the server's clock, and in our ticks."""
        clock = self._leases.clock
        latest, tick = clock.latest(), clock.tick()
        expires = int(latest + self._leases.terms.life)
        return str(expires), tick + expires - latest

    def _show(self, mode: Mode) -> None:
        """Show what we do, on the first of our labels."""
        with self._lock:
            held = next(iter(self._held.values()), None)
            if held is not None and held.mode != mode:
                self._change(held, {"mode": mode}, brisk=False)
                held.mode = mode
        self._require_ours()

    def _change(self, held: _Held, properties: Mapping[str, str], *, brisk: bool) -> None:
        """Renew a label and set some of its properties."""
        expires, until = self._span()
        if not self._leases.labels.change(held.id, {**properties, "expires": expires}, brisk=brisk):
            self._lost = held.name
        elif self._leases.clock.tick() < held.until:
            # A renewal that came too late may have crossed somebody who takes it over: it stays overdue.
            held.until = until

    def _keep(self) -> None:
        """Renew until it is over."""
        pause = every = self._leases.terms.life / 3
        while True:
            self._wake.wait(pause)
            if self._over:
                return
            self._wake.clear()
            pause = every if self.renew() else min(every, OVERDUE_PAUSE)

    def renew(self) -> bool:
        """Renew everything once; return False where that is worth another try soon."""
        with self._lock:
            try:
                for held in list(self._held.values()):
                    self._renew_one(held)
            except StoreError:
                return False
            return not self._overdue()

    def _renew_one(self, held: _Held) -> None:
        if held.until > self._leases.clock.tick():
            self._change(held, {}, brisk=True)
        elif self._lost is None:
            # It has ended and somebody may be about to take it over: of all who remove a label one does.
            ours = self._leases.labels.remove(held.id, brisk=True)
            if not (ours and self._create(held.name, held.mode)):
                self._lost = held.name

    def _overdue(self) -> bool:
        tick = self._leases.clock.tick()
        return any(held.until <= tick for held in list(self._held.values()))

    def _require_ours(self) -> None:
        if self._lost is not None:
            raise StoreBusyError(
                f"The lease of {self._leases.named(self._lost)} was not renewed in time and somebody else has taken "
                "it over: run the same again."
            )

    def _drop(self, held: _Held, *, settled: bool) -> None:
        """Give a label back, or where requests of ours may still arrive leave it to end after the grace."""
        labels = self._leases.labels
        with self._lock, suppress(StoreError):
            del self._held[held.name]
            if settled:
                labels.remove(held.id, brisk=True, patience=RELEASING)
            else:
                mode = "writing" if held.mode == "idle" else held.mode
                labels.change(held.id, {"mode": mode, "expires": ENDED}, brisk=True, patience=RELEASING)

    def _wait(self, watch: Watch, other: Label) -> None:
        """Wait a little for somebody else."""
        if watch.exhausted:
            raise StoreBusyError(
                f"{described(other)} {self._leases.named(other.name)} of InfluxDB at {self._leases.labels.server} and "
                f"did not end within {self._leases.terms.patience:g} s: wait for it, then run the same again."
            )
        if KEPT in other.properties and WANTED not in other.properties:
            with suppress(StoreError):
                # Where it is gone by now, so much the better.
                self._leases.labels.change(other.id, {WANTED: "1"}, brisk=True)
        began = time.monotonic()
        self._leases.sleep(watch.pause())
        self.waited += time.monotonic() - began
        self._require_ours()
