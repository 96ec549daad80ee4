"""Marks about shards that a restore closes for a moment, for whoever reads them meanwhile.

What belongs here: setting marks, and what a look at them says. What does not: asking again because of them
(``reads.steady``), the leases under which they are set (``leases``).

While a shard is closed the server leaves it out of answers without a word (docs/decisions/0008). So whoever restores
into a shard says so before and after, under the shard's lease, in one label of the bucket: a property for each shard,
whose value is another one every time. A reader that sees the same before and after its question, and nothing under
way, was not disturbed. A mark whose setter is gone stands for nothing once the lease has ended and its grace is over,
because what it sent cannot arrive any more.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from ohlcv_assets.stores.influxdb.leasing.holders import Watch, has_ended
from ohlcv_assets.stores.influxdb.leasing.labels import Label
from ohlcv_assets.stores.influxdb.leasing.leases import Leases

Span = tuple[int, int]
"""Nanoseconds UTC, half open."""

State = Literal["begun", "done"]

KEPT: Final = 3_600.0
"""Seconds after which a mark is forgotten when another is set: no question lasts as long."""

SURELY_OVER: Final = 120.0
"""Seconds after which a restore whose setter is gone is over without waiting: a request's time-out, twice."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What is said of one shard.

    Attributes
    ----------
    state
        Whether the restore is over.
    shard
        Its id.
    since
        When the mark was set, in seconds since 1970 by the server's clock.
    text
        As it is kept; never the same twice.
    """

    state: State
    shard: int
    since: float
    text: str

    @classmethod
    def made(cls, state: State, shard: int, now: float) -> Mark:
        """Return a new one."""
        return cls(state, shard, now, f"{state} {shard} {now:.0f} {uuid.uuid4().hex}")

    @classmethod
    def of(cls, text: str) -> Mark:
        """Return a mark from what is kept of it."""
        state, shard, now, _ = text.split(" ")
        return cls("begun" if state == "begun" else "done", int(shard), float(now), text)


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at the marks.

    Attributes
    ----------
    tick
        When it was, by the clock of this machine that nobody sets.
    marks
        By the shards' spans.
    busy
        Leases of those whose restore may be under way, by the shards' spans.
    """

    tick: float
    marks: Mapping[Span, str]
    busy: Mapping[Span, Label]

    def of(self, span: Span) -> dict[Span, str]:
        """Return the marks of shards that hold something of a span."""
        return {shard: text for shard, text in self.marks.items() if _meet(shard, span)}

    def closed(self, span: Span) -> Label | None:
        """Return the lease of a restore that may be under way there; None where there is none."""
        return next((label for shard, label in self.busy.items() if _meet(shard, span)), None)


class Closings:
    """The marks of one bucket.

    Parameters
    ----------
    leases
        The bucket's.
    """

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self._id: str | None = None
        # No bucket of ours has a dot in its name.
        self.name = f"ohlcv/{leases.scope}.restores"

    def look(self, watch: Watch) -> Seen:
        """Return what the marks say now.

        Parameters
        ----------
        watch
            Remembers since when a lease has been over.
        """
        tick = self.tick()
        shards = f"{self._leases.prefix}shard/"
        labels, now = self._leases.labels.all(f"ohlcv/{self._leases.scope}")
        held = {label.name.removeprefix(shards): label for label in labels if label.name.startswith(shards)}
        kept = next((label.properties for label in labels if label.name == self.name), {})
        marks = {_span_of(key): Mark.of(text) for key, text in kept.items()}
        busy: dict[Span, Label] = {}
        for span, mark in marks.items():
            lease = held.get(str(mark.shard))
            if mark.state == "begun" and lease is not None and not _over(lease, mark, watch, now):
                busy[span] = lease
        return Seen(tick, {span: mark.text for span, mark in marks.items()}, busy)

    def watch(self) -> Watch:
        """Begin to look."""
        return self._leases.watch()

    def tick(self) -> float:
        """Return the clock that looks are dated by."""
        return self._leases.clock.tick()

    def of_shard(self, shard: int, span: Span) -> Closing:
        """Return the marks of one shard, whose lease is held."""
        return Closing(self, shard, span)

    def ready(self) -> None:
        """Make the label exist and remember it, so that setting a mark is one request."""
        while self._id is None:
            found, _ = self._leases.labels.named(self.name)
            # Where somebody else makes it at the same time it is found.
            found = found or self._leases.labels.create(self.name, {})
            self._id = None if found is None else found.id

    def begin(self, shard: int, span: Span) -> None:
        """Mark a shard as closed from now on."""
        clock = self._leases.clock
        if self._id is not None and clock.known:
            mark = Mark.made("begun", shard, clock.latest())
            if self._leases.labels.change(self._id, {_key(span): mark.text}):
                return
        self.put("begun", shard, span)

    def put(self, state: State, shard: int, span: Span) -> None:
        """Set the mark of a shard, and forget those of long ago."""
        labels = self._leases.labels
        while True:
            found, now = labels.named(self.name)
            marked = {_key(span): Mark.made(state, shard, now).text}
            if found is None:
                made = labels.create(self.name, marked)
                if made is not None:
                    self._id = made.id
                    return
                continue
            old = [key for key, text in found.properties.items() if now - Mark.of(text).since > KEPT]
            if labels.change(found.id, {**dict.fromkeys(old, ""), **marked}):
                self._id = found.id
                return

    def forget(self) -> None:
        """Remove all marks, of a bucket that is no more."""
        found, _ = self._leases.labels.named(self.name)
        if found is not None:
            self._leases.labels.remove(found.id)


class Closing:
    """The marks of one shard for as long as its lease is held.

    Parameters
    ----------
    closings
        The bucket's.
    shard, span
        Which shard.
    """

    def __init__(self, closings: Closings, shard: int, span: Span) -> None:
        self._closings = closings
        self._shard = shard
        self._span = span
        self._unanswered = False

    def begin(self) -> None:
        """Say that the shard may be closed from now on."""
        self._closings.begin(self._shard, self._span)

    def end(self) -> None:
        """Say that it is open again; not while a request without a reply may still be at work."""
        if not self._unanswered:
            self._closings.put("done", self._shard, self._span)

    def unanswered(self) -> None:
        """Take notice of a request without a reply: the shard counts as closed until the lease and its grace end."""
        self._unanswered = True


def _over(lease: Label, mark: Mark, watch: Watch, now: float) -> bool:
    return watch.over(lease, now) or (has_ended(lease, now) and now - mark.since > SURELY_OVER)


def _key(span: Span) -> str:
    return f"{span[0]}/{span[1]}"


def _span_of(key: str) -> Span:
    start, _, end = key.partition("/")
    return int(start), int(end)


def _meet(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]
