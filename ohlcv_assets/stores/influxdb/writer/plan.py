"""How bodies are sent: by whom, how large, how many at a time, how long.

What belongs here: the figures of a load, and refusing impossible ones. What does not: where they come from
(``influx_settings``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CarrierName = Literal["native", "client"]
Compression = Literal["none", "gzip"]


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """How a load is sent.

    Attributes
    ----------
    carrier
        Our own connections, or influxdb-client's synchronous write API.
    batch_lines
        Lines of one request; whoever makes the bodies keeps to it.
    connections
        Most requests in flight at a time.
    compression
        Of request bodies; gzip is level 1.
    memory
        Most bytes of bodies that wait or are under way; a single body may be larger, and then goes alone.
    timeout
        Seconds until a request without an answer counts as lost.
    deadline
        Seconds without any acknowledgement, counted from the first failure, until a load is given up.
    rows_per_second
        Throttle of the whole process; None for no limit.
    """

    carrier: CarrierName = "native"
    batch_lines: int = 50_000
    connections: int = 4
    compression: Compression = "none"
    memory: int = 128_000_000
    timeout: float = 60
    deadline: float = 600
    rows_per_second: int | None = None

    def __post_init__(self) -> None:
        positive = (self.batch_lines, self.connections, self.memory, self.timeout, self.deadline)
        if min(positive) <= 0 or (self.rows_per_second is not None and self.rows_per_second <= 0):
            raise ValueError(f"Every figure of a load plan is above zero; this is {self}.")
