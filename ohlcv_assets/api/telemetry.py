"""The service's metrics for Prometheus.

What belongs here: what is counted, and the page. What does not: counting itself, which those do who know. Labels are
templates of routes and names of questions, never paths, symbols or keys, of which there is no end.
https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

MEDIA_TYPE = CONTENT_TYPE_LATEST
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Telemetry:
    """What is counted; safe to use from several threads.

    Attributes
    ----------
    registry
        The metrics, as ``prometheus_client`` collects them.
    requests, seconds, underway
        Requests by method, route and status; how long they took by method and route; those being answered.
    store_seconds, store_failures
        Questions to the store by name: how long they took, and those that failed.
    rows, cached, refused
        Rows handed out by route, answers from the cache by route, requests refused by reason.
    posted
        Trades posted, by what became of them.
    jobs
        Jobs that have ended, by kind and state.
    waiting
        Questions to the store that are asked or wait.
    streams, streams_ended
        Clients of the live stream; those that the service closed by code.
    stream_frames, stream_lag
        Frames sent by kind; from the publishing of trades until a frame with them was sent.
    updates
        Those of ``stream_frames`` that are sent by the thousand.
    """

    def __init__(self) -> None:
        # A second series beside every counter is of no use here.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # published without annotations
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "ohlcv_http_requests", "Requests answered.", ["method", "route", "status"], registry=registry
        )
        self.seconds = Histogram(
            "ohlcv_http_request_seconds",
            "Time until a request was answered.",
            ["method", "route"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self.underway = Gauge("ohlcv_http_requests_underway", "Requests being answered.", registry=registry)
        self.rows = Counter("ohlcv_http_rows", "Rows handed out.", ["route"], registry=registry)
        self.cached = Counter("ohlcv_http_cached", "Answers given from the cache.", ["route"], registry=registry)
        self.refused = Counter(
            "ohlcv_http_refused", "Requests refused before a route saw them.", ["reason"], registry=registry
        )
        self.store_seconds = Histogram(
            "ohlcv_store_question_seconds",
            "Time of a question to the store, waiting for a thread included.",
            ["question"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self.store_failures = Counter(
            "ohlcv_store_question_failures", "Questions that failed or took too long.", ["question"], registry=registry
        )
        self.posted = Counter("ohlcv_posted_trades", "Trades posted.", ["outcome"], registry=registry)
        self.jobs = Counter("ohlcv_jobs", "Jobs that have ended.", ["kind", "state"], registry=registry)
        self.waiting = Gauge("ohlcv_store_questions_waiting", "Questions asked or waiting.", registry=registry)
        self.streams = Gauge("ohlcv_streams", "Clients of the live stream.", registry=registry)
        self.streams_ended = Counter(
            "ohlcv_streams_ended", "Clients of the live stream that the service closed.", ["code"], registry=registry
        )
        self.stream_frames = Counter("ohlcv_stream_frames", "Frames sent.", ["kind"], registry=registry)
        self.updates = self.stream_frames.labels("update")
        self.stream_lag = Histogram(
            "ohlcv_stream_lag_seconds",
            "From the publishing of trades until a client was sent what they changed.",
            buckets=_BUCKETS,
            registry=registry,
        )

    def page(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        return generate_latest(self.registry)
