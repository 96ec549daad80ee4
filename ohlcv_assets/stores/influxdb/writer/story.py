"""What happened during a write: rows, bytes, retries, latencies, processor time.

What belongs here: counting, and the figures that come of it. What does not: deciding anything by them.

The names of the figures, in ``LoadReport.detail`` and in the ``detail`` of progress events alike; seconds and bytes
throughout, all of them plain numbers:

    rows, bytes, batches     acknowledged lines, their bytes uncompressed, and the requests they make up
    rows_per_second          rows over seconds
    seconds                  since the write began
    requests                 sent, those that failed included
    retries                  requests that sent a batch again
    splits                   batches cut in two because they were too large
    seconds_lost             between first failures and the next acknowledgement
    breaker_openings         how often nobody sent until a canary had come through
    overloads                replies that said so, and requests that were not answered in time
    slowdowns                how often the number of requests in flight was halved
    latency_p50, _p99, _max  of acknowledged requests; percentiles to within 2 %
    in_flight                requests under way now
    connections              requests that may be under way now
    peak_in_flight           most requests under way at a time
    peak_held                most bytes that waited or were under way at a time
    network_bytes            of request bodies as sent, compressed where that is asked for, repetitions included
    cpu_seconds              processor time of this process, all threads
    peak_memory              most resident bytes of this process
    throttled_seconds        spent waiting because of the limit on rows a second
    server_cpu_seconds       processor time of the server; only where it runs on this machine
    server_memory            resident bytes of the server now; likewise
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from dataclasses import dataclass, fields
from typing import Any, Final

_STEP: Final = math.log(1.02)
_LEAST: Final = 1e-6


@dataclass(frozen=True, slots=True)
class WriteStory:
    """What a write did; the module's text explains the figures."""

    rows: int = 0
    bytes: int = 0
    requests: int = 0
    retries: int = 0
    seconds_lost: float = 0.0
    breaker_openings: int = 0
    overloads: int = 0
    latency_p50: float = 0.0
    latency_p99: float = 0.0
    latency_max: float = 0.0
    cpu_seconds: float = 0.0
    peak_in_flight: int = 0
    throttled_seconds: float = 0.0
    batches: int = 0
    splits: int = 0
    slowdowns: int = 0
    seconds: float = 0.0
    network_bytes: int = 0
    peak_held: int = 0
    peak_memory: int = 0
    server_cpu_seconds: float | None = None
    server_memory: int | None = None

    def detail(self) -> dict[str, float | int | str]:
        """Return the figures by name; those that are not known are left out."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        rate = self.rows / self.seconds if self.seconds > 0 else 0.0
        return {name: value for name, value in found.items() if value is not None} | {"rows_per_second": rate}


class Latencies:
    """Seconds, counted in classes of 2 % width: a year of requests takes no more room than a day."""

    def __init__(self) -> None:
        self.largest = 0.0
        self._classes: Counter[int] = Counter()
        self._number = 0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.largest = max(self.largest, seconds)
        self._classes[math.floor(math.log(max(seconds, _LEAST)) / _STEP)] += 1
        self._number += 1

    def percentile(self, share: float) -> float:
        """Return the seconds that a share (0 to 1) of all stayed at or below; zero where there are none."""
        rank = max(1, math.ceil(share * self._number))
        seen = 0
        for position in sorted(self._classes):
            seen += self._classes[position]
            if seen >= rank:
                # No class reaches above the largest that was seen.
                return min(self.largest, math.exp((position + 1) * _STEP))
        return 0.0


class Meter:
    """Counts what the senders of one write do; safe to use from several threads.

    Attributes
    ----------
    throttled
        Seconds spent waiting because of the limit on rows a second; only the thread that makes bodies adds to it.
    """

    def __init__(self) -> None:
        self.throttled = 0.0
        self._latencies = Latencies()
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def sent(self, size: int, *, again: bool) -> None:
        """Count a request of some bytes."""
        with self._lock:
            self._counts["requests"] += 1
            self._counts["retries"] += again
            self._counts["network_bytes"] += size

    def acknowledged(self, seconds: float) -> None:
        """Count an acknowledgement by its latency."""
        with self._lock:
            self._latencies.add(seconds)

    def count(self, name: str) -> None:
        """Count one of ``overloads``, ``slowdowns``, ``splits``."""
        with self._lock:
            self._counts[name] += 1

    def figures(self) -> dict[str, Any]:  # Any: whole numbers and seconds
        """Return what was counted, by the names of ``WriteStory``."""
        names = ("requests", "retries", "network_bytes", "overloads", "slowdowns", "splits")
        with self._lock:
            found = self._latencies
            return {name: self._counts[name] for name in names} | {
                "latency_p50": found.percentile(0.5),
                "latency_p99": found.percentile(0.99),
                "latency_max": found.largest,
            }
