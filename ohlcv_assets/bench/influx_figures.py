"""Figures of loads that were repeated side by side.

What belongs here: medians, spread, ratios within rounds, and the targets of a load. What does not: running anything
(``influx``).
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ohlcv_assets.bench.figures import Figure
from ohlcv_assets.bench.influx_peers import CLIENT_LINES, Cost

INCH_TARGET: Final = 1.05
FRAME_TARGET: Final = 4.5
FRAME_CPU_SHARE: Final = 1 / 20
CPU_TARGET: Final = 0.4
PER_MILLION: Final = "s per million"
FRAME: Final = f"influxdb-client batching a pandas frame, {CLIENT_LINES:,} lines a request"
BARE: Final = "bare connections, bodies made beforehand"
WHOLE: Final = "a day from its file, checked and counted"

Costs = Mapping[str, Sequence[Cost]]


@dataclass(frozen=True, slots=True)
class _Subject:
    """Something that was run in every round."""

    label: str
    costs: Sequence[Cost]
    method: str

    def rate(self, name: str, peer: str, theirs: Sequence[Cost] | None, target: float | None = None) -> Figure:
        """Return rows a second beside a peer's; the target is a multiple of the peer's rate."""
        return self._figure(name, "trades/s", lambda cost: cost.rate, peer, theirs, target)

    def client(self, peer: str, theirs: Sequence[Cost] | None, share: float | None = None) -> Figure:
        """Return the client's processor time beside a peer's; the target is a share of the peer's."""
        name = f"processor time of the client, against {peer}" if theirs else "processor time of the client"
        return self._figure(name, PER_MILLION, lambda cost: cost.client_per_million, peer, theirs, share)

    def server(self) -> list[Figure]:
        """Return the server's processor time; nothing where it does not run on this machine."""
        known = [cost.server_per_million for cost in self.costs if cost.server_per_million is not None]
        if not known:
            return []
        name = f"{self.label}: processor time of the server"
        return [Figure("load", name, statistics.median(known), PER_MILLION, None, "", None, self._spread(known))]

    def _figure(
        self,
        name: str,
        unit: str,
        of: Callable[[Cost], float],
        peer: str,
        theirs: Sequence[Cost] | None,
        target: float | None,
    ) -> Figure:
        values = [of(cost) for cost in self.costs]
        value = statistics.median(values)
        relation = None if theirs is None else ratio(self.costs, theirs, of)
        bound = None if relation is None or target is None else target * value / relation
        better = None if relation is None else relation if unit.endswith("/s") else 1 / relation
        whole = f"{self.label}: {name}" if name else self.label
        return Figure("load", whole, value, unit, bound, peer, better, self._spread(values))

    def _spread(self, values: Sequence[float]) -> str:
        low, high = min(values), max(values)
        text = f"{low:,.0f} to {high:,.0f}" if low >= 1_000 else f"{low:.3g} to {high:.3g}"  # noqa: PLR2004 -- digits
        return f"{self.method}, median of {len(values)} interleaved rounds ({text})"


def ratio(ours: Sequence[Cost], theirs: Sequence[Cost], of: Callable[[Cost], float]) -> float:
    """Return the median over the rounds of our figure divided by theirs."""
    return statistics.median(of(mine) / of(peer) for mine, peer in zip(ours, theirs, strict=True))


def best_inch(costs: Costs) -> str | None:
    """Return the name of the fastest run of ``inch``; None where there was none."""
    names = [name for name in costs if name.startswith("inch")]
    return max(names, key=lambda name: statistics.median(cost.rate for cost in costs[name]), default=None)


def load_figures(costs: Costs, method: str, absent: str) -> list[Figure]:
    """Return everything that is told of the loads.

    Parameters
    ----------
    costs
        By name and round: ``native`` and ``client`` (our writers), ``day`` (the whole path), ``bare``, ``frame``, and
        ``inch ...`` where it was run.
    method
        How they were run.
    absent
        Why ``inch`` was not run, and how to get it.
    """
    figures: list[Figure] = []
    for name in ("native", "client"):
        figures += _writer_figures(_Subject(f"{name} writer", costs[name], method), name, costs, absent)
    day = _Subject(WHOLE, costs["day"], method)
    cpu = day.client("", None)
    figures.append(day.rate("", BARE, costs["bare"]))
    figures.append(Figure(cpu.case, cpu.name, cpu.value, cpu.unit, CPU_TARGET, "", None, cpu.method))
    labels = {name: name for name in costs if name.startswith("inch")} | {"bare": BARE, "frame": FRAME}
    peers = [_Subject(label, costs[name], _own_method(method, name)) for name, label in labels.items()]
    for peer in peers:
        figures += [peer.rate("", "", None), peer.client("", None)]
    ours = [_Subject(f"{name} writer", costs[name], method) for name in ("native", "client")]
    for subject in (*ours, day, *peers):
        figures += subject.server()
    return figures


def _writer_figures(subject: _Subject, name: str, costs: Costs, absent: str) -> list[Figure]:
    best = best_inch(costs)
    if best is None:
        against = subject.rate("against inch", absent, None)
    else:
        target = INCH_TARGET if name == "native" else None
        against = subject.rate("against inch", f"{best} lines a request, its best", costs[best], target)
    return [
        against,
        subject.rate("against batching frames", FRAME, costs["frame"], FRAME_TARGET),
        subject.client(FRAME, costs["frame"], FRAME_CPU_SHARE),
        subject.rate("against a client that does nothing", BARE, costs["bare"]),
    ]


def _own_method(method: str, name: str) -> str:
    """Return how a peer was run where it is not as our own writers were."""
    return "its documented way, the first trades of the same day" if name == "frame" else method
