"""Who holds a lease, and when others may take it.

What belongs here: what a lease's label says, and judging somebody else's. What does not: one's own (``leases``).
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from ohlcv_assets.stores.influxdb.leasing.labels import Label, Labels, ServerClock
from ohlcv_assets.stores.influxdb.leasing.processes import Process, is_dead, this_process

Mode = Literal["idle", "writing", "deleting"]

FIRST_PAUSE: Final = 0.02
LONGEST_PAUSE: Final = 0.5
_DOUBLINGS: Final = 10

HOLDERS: Final[set[str]] = set()
"""The holders of this process that have not given back. Labels of others of this process are over: those could not be
removed, since the server was away."""

KEPT: Final = "kept"
"""Property of a lease that is kept between uses, and given back as soon as somebody says to be waiting."""

WANTED: Final = "wanted"
"""Property by which somebody says so."""

_DOES: Final[Mapping[str, str]] = {"deleting": "deletes from", "writing": "writes to"}


@dataclass(frozen=True, slots=True)
class Terms:
    """How long leases last.

    Attributes
    ----------
    life
        Seconds that a lease lasts without being renewed.
    grace
        Seconds that one whose holder may have had requests under way is left alone after its end.
    patience
        Seconds to wait for somebody else's.
    """

    life: float = 30.0
    grace: float = 5.0
    patience: float = 120.0


def properties_of(holder: str, process: Process, mode: Mode, expires: str) -> dict[str, str]:
    """Return what the label of a lease says.

    Parameters
    ----------
    holder
        Unique to one lease of one process.
    process
        Where it runs.
    mode
        What it does now.
    expires
        Until when it lasts unless it is renewed, in seconds since 1970 by the server's clock.
    """
    return {
        "holder": holder,
        "host": process.host,
        "place": process.place,
        "pid": str(process.pid),
        "started": repr(process.started),
        "mode": mode,
        "expires": expires,
    }


def described(label: Label) -> str:
    """Return who holds a lease and what it does, to be followed by what it holds."""
    found = label.properties
    does = _DOES.get(found.get("mode", ""), "holds")
    return f"Process {found.get('pid', '?')} on {found.get('host', '?')} {does}"


def has_ended(label: Label, now: float) -> bool:
    """Return whether a lease is over: not renewed in time, or its process is gone from this machine or gave it up.

    Parameters
    ----------
    label
        As it was read.
    now
        The server's clock when it was, cut to the second.
    """
    found = label.properties
    try:
        process = Process(found["host"], found["place"], int(found["pid"]), float(found["started"]))
        given_up = process == this_process() and found["holder"] not in HOLDERS
        return now >= float(found["expires"]) or given_up or is_dead(process)
    except (KeyError, ValueError):
        # Nobody who keeps this protocol made it.
        return True


class Watch:
    """What one who waits for somebody else has seen.

    Parameters
    ----------
    labels, clock, terms
        Of the one who waits.
    """

    def __init__(self, labels: Labels, clock: ServerClock, terms: Terms) -> None:
        self._labels = labels
        self._clock = clock
        self._terms = terms
        self._began = clock.tick()
        self._pauses = 0

    @property
    def exhausted(self) -> bool:
        """Whether patience is at its end."""
        return self._clock.tick() - self._began >= self._terms.patience

    def removed(self, label: Label, now: float) -> bool:
        """Remove somebody else's lease where it has been over for long enough, and return whether it is gone."""
        if not self.over(label, now):
            return False
        # Whether it is us who remove it or somebody else at the same time makes no difference.
        self._labels.remove(label.id)
        return True

    def over(self, label: Label, now: float) -> bool:
        """Return whether somebody else's lease has been over for long enough; see ``has_ended`` for the parameters."""
        # Kept from one wait to the next: whoever has less patience than the grace would never see it pass otherwise.
        ended = self._labels.ended
        if not has_ended(label, now):
            ended.pop(label.id, None)
            return False
        tick, expires = self._clock.tick(), label.properties.get("expires", "")
        before = ended.get(label.id)
        since = tick if before is None or before[0] != expires else before[1]
        ended[label.id] = expires, since
        return label.properties.get("mode") == "idle" or tick - since >= self._terms.grace

    def pause(self) -> float:
        """Return the seconds to wait before looking again, longer every time."""
        bound = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self._pauses, _DOUBLINGS))
        self._pauses += 1
        return random.uniform(bound / 2, bound)  # noqa: S311 -- jitter, not secrets
