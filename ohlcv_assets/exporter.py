"""Figures of loads and of bars for Prometheus.

What belongs here: an observer that turns progress into metrics, and the page that shows them. What does not: measuring
(those who load tell what they measured), drawing.
https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    start_http_server,
)

from ohlcv_assets.errors import MachineError
from ohlcv_assets.progress import Progress

LOOPBACK: Final = "127.0.0.1"

COUNTERS: Final[Mapping[str, tuple[str, str]]] = {
    "rows": ("ohlcv_load_rows", "Trades that the store took."),
    "bytes": ("ohlcv_load_bytes", "Bytes of line protocol that the store acknowledged, uncompressed."),
    "network_bytes": ("ohlcv_load_network_bytes", "Bytes of request bodies as sent, repetitions included."),
    "batches": ("ohlcv_load_batches", "Batches that the store acknowledged."),
    "requests": ("ohlcv_load_requests", "Write requests, those that failed included."),
    "retries": ("ohlcv_load_retries", "Write requests that sent a batch again."),
    "splits": ("ohlcv_load_splits", "Batches cut in two because they were too large."),
    "overloads": ("ohlcv_load_overloads", "Replies that the store is overloaded, and requests without an answer."),
    "slowdowns": ("ohlcv_load_slowdowns", "How often the number of requests in flight was halved."),
    "breaker_openings": ("ohlcv_load_breaker_openings", "How often sending stopped until a canary came through."),
    "seconds_lost": ("ohlcv_load_lost_seconds", "Seconds between failures and the next acknowledgement."),
    "throttled_seconds": ("ohlcv_load_throttled_seconds", "Seconds spent waiting because of the limit on rows."),
    "cpu_seconds": ("ohlcv_load_cpu_seconds", "Processor time of the loading processes while they write."),
}
"""Figures of a load that only grow: their name in ``Progress.detail``, the metric's name and what it is."""

SUMS: Final[Mapping[str, tuple[str, str]]] = {
    "in_flight": ("ohlcv_load_in_flight", "Write requests under way."),
    "connections": ("ohlcv_load_connections", "Write requests that may be under way."),
    "rows_per_second": ("ohlcv_load_rows_per_second", "Rows a second of the loads under way, since they began."),
}
"""Figures of a load as they are now, added up over the loads under way."""

LARGEST: Final[Mapping[str, tuple[str, str]]] = {
    "peak_memory": ("ohlcv_load_peak_memory_bytes", "Most resident bytes of a loading process."),
    "server_memory": ("ohlcv_load_server_memory_bytes", "Resident bytes of the store, where it runs on this machine."),
}
"""Figures of a process, of which the largest of the loads under way is shown."""

QUANTILES: Final[Mapping[str, str]] = {"latency_p50": "0.5", "latency_p99": "0.99", "latency_max": "1"}
DAY_BUCKETS: Final = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600)


class Exporter:
    """An observer that keeps the metrics of a backfill; safe to call from several threads.

    Attributes
    ----------
    registry
        The metrics, as ``prometheus_client`` collects them.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._counters = {key: Counter(*about, registry=registry) for key, about in COUNTERS.items()}
        self._sums = {key: Gauge(*about, registry=registry) for key, about in SUMS.items()}
        self._largest = {key: Gauge(*about, registry=registry) for key, about in LARGEST.items()}
        self._latency = Gauge(
            "ohlcv_load_latency_seconds",
            "Latency of acknowledged write requests, of the load that told last.",
            ["quantile"],
            registry=registry,
        )
        self._days = Counter("ohlcv_days", "Days that ended, by what became of them.", ["state"], registry=registry)
        self._checks = Counter("ohlcv_checks", "Checks of days, by their outcome.", ["outcome"], registry=registry)
        self._seconds = Histogram(
            "ohlcv_day_seconds", "Wall time of a day's run.", buckets=DAY_BUCKETS, registry=registry
        )
        self._asked = Gauge("ohlcv_backfill_days_asked", "Days of the backfill.", registry=registry)
        self._done = Gauge("ohlcv_backfill_days_done", "Days of it that are done or were before.", registry=registry)
        self._left = Gauge("ohlcv_backfill_seconds_left", "Seconds until it ends at its pace.", registry=registry)
        self._bars = _Bars(registry)
        self._loads: dict[tuple[str, str], dict[str, float]] = {}
        self._lock = threading.Lock()

    def __call__(self, event: Progress, /) -> None:
        """Take notice of a load, a day, the backfill, or bars; other events change nothing."""
        figures = {key: float(value) for key, value in event.detail.items() if isinstance(value, int | float)}
        with self._lock:
            if event.stage == "load":
                self._load((event.subject, event.unit), {"rows": float(event.done)} | figures)
            elif event.stage == "day":
                self._day(event.subject, str(event.detail["state"]), figures)
            elif event.stage == "backfill":
                self._asked.set(event.total or 0)
                self._done.set(event.done)
                self._left.set(figures["seconds_left"])
            else:
                self._bars.notice(event, figures)

    def _load(self, load: tuple[str, str], figures: dict[str, float]) -> None:
        """Add what is new since the last event of the same load."""
        before = self._loads.get(load, {})
        if figures["rows"] < before.get("rows", 0):
            before = {}  # another load of the same day
        for key in COUNTERS.keys() & figures.keys():
            self._counters[key].inc(max(0.0, figures[key] - before.get(key, 0.0)))
        for key in QUANTILES.keys() & figures.keys():
            self._latency.labels(quantile=QUANTILES[key]).set(figures[key])
        self._loads[load] = figures
        self._show_now()

    def _day(self, subject: str, state: str, figures: Mapping[str, float]) -> None:
        self._days.labels(state=state).inc()
        self._checks.labels(outcome="passed").inc(figures["checks_passed"])
        self._checks.labels(outcome="failed").inc(figures["checks_failed"])
        self._seconds.observe(figures["seconds"])
        self._loads = {load: held for load, held in self._loads.items() if load[0] != subject}
        self._show_now()

    def _show_now(self) -> None:
        loads = self._loads.values()
        for key, gauge in self._sums.items():
            gauge.set(sum(load.get(key, 0.0) for load in loads))
        for key, gauge in self._largest.items():
            gauge.set(max((load.get(key, 0.0) for load in loads), default=0.0))


class _Bars:
    """The metrics of making bars."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._chunks = Counter(
            "ohlcv_bar_chunks",
            "Days of bars that ended or became stale, by what became of them.",
            ["resolution", "state"],
            registry=registry,
        )
        self._made = Counter("ohlcv_bars", "Bars made.", ["resolution"], registry=registry)
        self._seconds = Counter(
            "ohlcv_bar_chunk_seconds", "Wall time of the days of bars that ended.", ["resolution"], registry=registry
        )
        self._days = Gauge(
            "ohlcv_bar_days",
            "Days of bars by how they stood when last looked at.",
            ["resolution", "standing"],
            registry=registry,
        )
        self._lag = Gauge(
            "ohlcv_bar_lag_seconds",
            "From the end of what was complete without a gap to the end of the trades, when last looked at.",
            ["resolution"],
            registry=registry,
        )
        self._asked = Gauge("ohlcv_heal_chunks_asked", "Chunks of the healing under way.", registry=registry)
        self._done = Gauge("ohlcv_heal_chunks_done", "Chunks of it that ended.", registry=registry)
        self._left = Gauge("ohlcv_heal_seconds_left", "Seconds until it ends at its pace.", registry=registry)

    def notice(self, event: Progress, figures: Mapping[str, float]) -> None:
        """Take notice of a chunk, of how days stand, or of a healing."""
        if event.stage == "chunk":
            resolution, state = str(event.detail["resolution"]), str(event.detail["state"])
            self._chunks.labels(resolution=resolution, state=state).inc()
            if state != "stale":
                self._made.labels(resolution=resolution).inc(event.done)
                self._seconds.labels(resolution=resolution).inc(figures["seconds"])
        elif event.stage == "standing":
            days = {"complete": event.done} | {name: figures[name] for name in ("missing", "stale", "waiting")}
            for standing, count in days.items():
                self._days.labels(resolution=event.subject, standing=standing).set(count)
            self._lag.labels(resolution=event.subject).set(figures["lag_seconds"])
        elif event.stage == "heal":
            self._asked.set(event.total or 0)
            self._done.set(event.done)
            self._left.set(figures["seconds_left"])


@contextmanager
def exporting(port: int) -> Iterator[tuple[Exporter, str]]:
    """Show an exporter's metrics on this machine for as long as the context lasts; give it and the page's address.

    Parameters
    ----------
    port
        To listen on, on the loopback interface alone; 0 for any free one.

    Raises
    ------
    MachineError
        The port cannot be used.
    """
    # A second series beside every counter is of no use to a job that ends.
    disable_created_metrics()  # type: ignore[no-untyped-call]  # published without annotations
    exporter = Exporter()
    try:
        server, thread = start_http_server(port, LOOPBACK, exporter.registry)
    except OSError as error:
        raise MachineError(
            f"Metrics cannot be shown at {LOOPBACK}:{port} ({error.strerror}): choose another --metrics-port."
        ) from error
    try:
        yield exporter, f"http://{LOOPBACK}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
