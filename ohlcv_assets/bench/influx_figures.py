"""Figures of loads that were repeated side by side.

What belongs here: medians, spread, ratios within rounds, and the targets of a load. What does not: running anything
(``influx``).
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from ohlcv_assets.bench.figures import Figure
from ohlcv_assets.bench.influx_peers import CLIENT_LINES, INCH_CONNECTIONS, Cost

INCH_TARGET: Final = 1.05
FRAME_TARGET: Final = 4.5
FRAME_CPU_SHARE: Final = 1 / 20
CPU_TARGET: Final = 0.4
PER_MILLION: Final = "s per million"
INCH: Final = "inch"
BARE: Final = "bare connections, bodies made beforehand"
FRAME: Final = "influxdb-client batching a pandas frame"
NO_INCH: Final = "inch was not run, see below"
FRAME_METHOD: Final = f"{CLIENT_LINES:,} lines a request, the first trades of the same day, interleaved with the others"
INCH_METHOD: Final = (
    "as many points in as many series, one tag, three float fields, nanoseconds, constant values (shorter lines than "
    f"trades make), {INCH_CONNECTIONS} connections, interleaved with the others"
)

Costs = Mapping[str, Sequence[Cost]]
Of = Callable[[Cost], float]


def rate(cost: Cost) -> float:
    """Return rows a second."""
    return cost.rate


def client(cost: Cost) -> float:
    """Return the processor seconds of the loading process a million rows."""
    return cost.client_per_million


def ratio(ours: Sequence[Cost], theirs: Sequence[Cost], of: Of) -> float:
    """Return the median over the rounds of our figure divided by theirs."""
    return statistics.median(of(mine) / of(peer) for mine, peer in zip(ours, theirs, strict=True))


def best_inch(costs: Costs) -> str | None:
    """Return the name of the fastest run of ``inch``; None where there was none."""
    names = [name for name in costs if name.startswith(INCH)]
    return max(names, key=lambda name: statistics.median(cost.rate for cost in costs[name]), default=None)


def load_figures(costs: Costs, method: str, absent: str) -> list[Figure]:
    """Return everything that is told of the loads.

    Parameters
    ----------
    costs
        By name and round: ``native`` and ``client`` (our writers), ``day`` (the whole path), ``bare``, ``frame``, and
        ``inch ...`` where it was run.
    method
        How our own were run.
    absent
        Why ``inch`` was not run, and how to get it.
    """
    whole = "a day from its file, checked and counted"
    figures = [
        *_writer_figures("native", costs, method, absent),
        *_writer_figures("client", costs, method, absent),
        beside("whole path", whole, costs["day"], BARE, costs["bare"], rate, method),
        alone("whole path", f"{whole}: processor time of the client", costs["day"], client, method, CPU_TARGET),
    ]
    methods = {name: INCH_METHOD for name in costs if name.startswith(INCH)} | {"bare": method, "frame": FRAME_METHOD}
    labels = {name: f"{name} lines a request" for name in methods} | {"bare": BARE, "frame": FRAME}
    for name, how in methods.items():
        figures.append(alone("peer", labels[name], costs[name], rate, how))
        figures.append(alone("peer", f"{labels[name]}: processor time", costs[name], client, how))
    labels |= {"native": "native writer", "client": "client writer", "day": whole}
    for name in costs:
        figures += server_figures(labels[name], costs[name], methods.get(name, method))
    return figures + _server_memory(costs, method)


def _writer_figures(name: str, costs: Costs, method: str, absent: str) -> list[Figure]:
    """Return what is told of one of our writers; the ratio to ``inch`` is promised of the native one alone."""
    ours, best = costs[name], best_inch(costs)
    title = f"{name} writer, against inch"
    if best is None:
        against = replace(alone("load", title, ours, rate, f"{method}; {absent}"), peer=NO_INCH)
    else:
        target = INCH_TARGET if name == "native" else None
        against = beside("load", title, ours, f"{best} lines a request, its best", costs[best], rate, method, target)
    frame = costs["frame"]
    time = f"{name} writer's processor time, against influxdb-client's batching"
    return [
        against,
        beside(
            "load", f"{name} writer, against influxdb-client's batching", ours, FRAME, frame, rate, method, FRAME_TARGET
        ),
        beside("load", time, ours, FRAME, frame, client, method, FRAME_CPU_SHARE),
        beside("load", f"{name} writer, against a client that does nothing", ours, BARE, costs["bare"], rate, method),
    ]


def alone(case: str, name: str, costs: Sequence[Cost], of: Of, method: str, target: float | None = None) -> Figure:
    """Return a figure that stands for itself."""
    values = [of(cost) for cost in costs]
    unit = "trades/s" if of is rate else PER_MILLION
    spread = min(values), max(values)
    return Figure(case, name, statistics.median(values), unit, target, "", None, method, spread)


def beside(
    case: str,
    name: str,
    ours: Sequence[Cost],
    peer: str,
    theirs: Sequence[Cost],
    of: Of,
    method: str,
    target: float | None = None,
) -> Figure:
    """Return a figure beside a peer's; the target is a multiple or a share of the peer's."""
    figure = alone(case, name, ours, of, method)
    relation = ratio(ours, theirs, of)
    return replace(
        figure,
        target=None if target is None else target * figure.value / relation,
        peer=peer,
        ratio=relation if figure.higher_is_better else 1 / relation,
    )


def server_figures(label: str, costs: Sequence[Cost], method: str) -> list[Figure]:
    """Return the server's processor time; nothing where it does not run on this machine."""
    known = [cost.server_per_million for cost in costs if cost.server_per_million is not None]
    if not known:
        return []
    spread = min(known), max(known)
    value = statistics.median(known)
    return [Figure("server", f"{label}: processor time", value, PER_MILLION, None, "", None, method, spread)]


def _server_memory(costs: Costs, method: str) -> list[Figure]:
    """Return the server's memory; nothing where it does not run on this machine."""
    known = [cost.memory / 1e9 for several in costs.values() for cost in several if cost.memory is not None]
    if not known:
        return []
    spread = min(known), max(known)
    return [Figure("server", "resident memory, largest after a load", spread[1], "GB", None, "", None, method, spread)]
