"""What part of a request's time the store took.

What belongs here: adding it up, and saying it (``Server-Timing``). What does not: metrics (``telemetry``), which tell
all requests together. https://www.w3.org/TR/server-timing/
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

_MILLISECONDS: Final = 1e3


@dataclass(slots=True)
class Meter:
    """What the questions of one request took.

    Attributes
    ----------
    store
        Seconds in threads that asked the store, those of questions side by side added up; waiting for a thread is
        not among them.
    asked
        How many questions there were.
    """

    store: float = 0.0
    asked: int = 0

    def header(self, seconds: float) -> bytes:
        """Return what is said of a request that took so long: the store's part and the rest."""
        store = _MILLISECONDS * self.store
        return b"store;dur=%.2f, service;dur=%.2f" % (store, max(0.0, _MILLISECONDS * seconds - store))


_meter: Final[ContextVar[Meter | None]] = ContextVar("meter", default=None)


def metered() -> Meter:
    """Begin to add up for the request of this task."""
    meter = Meter()
    _meter.set(meter)
    return meter


def took(seconds: float) -> None:
    """Add what a question took to the request that asked it; nobody may have."""
    meter = _meter.get()
    if meter is not None:
        meter.store += seconds
        meter.asked += 1
