"""What happened during a write: rows, bytes, retries, latencies, processor time.

What belongs here: counting and the figures that come of it. What does not: deciding anything by them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WriteStory:
    """What a write did."""

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

    def detail(self) -> dict[str, float | int | str]:
        """Return the figures by name, for reports and metadata."""
        return {name: getattr(self, name) for name in self.__slots__}
