"""Time and chance as the writer sees them; tests pass their own.

What belongs here: the four ways in which a write depends on when it runs. What does not: what it does with them.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


def _wait(event: threading.Event, seconds: float) -> None:
    event.wait(seconds)


@dataclass(frozen=True, slots=True)
class Clock:
    """Time and chance.

    Attributes
    ----------
    now
        Seconds, never going back.
    wait
        Wait some seconds, or until the event is set.
    draw
        A random number in [0, 1).
    epoch
        Seconds since 1970.
    """

    now: Callable[[], float] = time.monotonic
    wait: Callable[[threading.Event, float], None] = _wait
    draw: Callable[[], float] = random.random
    epoch: Callable[[], float] = time.time
