"""Sending bodies until all of them are acknowledged.

What belongs here: the order of events of one write. What does not: its parts, which are modules of their own.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Protocol

import urllib3

from ohlcv_assets.progress import Observer, Progress, nobody
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.failures import Failure, error_of, failure_of_exception, failure_of_reply
from ohlcv_assets.stores.influxdb.writer.plan import LoadPlan
from ohlcv_assets.stores.influxdb.writer.story import WriteStory


class Body(Protocol):
    """Some lines: ``lines.Lines`` is one."""

    @property
    def body(self) -> bytes:
        """Line protocol."""
        ...

    @property
    def rows(self) -> int:
        """Number of lines."""
        ...


class Writer:
    """Sends line protocol to one server; cheap to make, threads only while writing."""

    def __init__(self, connection: Connection, plan: LoadPlan) -> None:
        self._connection = connection
        self._plan = plan

    def write(
        self,
        bucket: str,
        lines: Iterable[Body],
        *,
        doing: str,
        subject: str,
        expected: int,
        observer: Observer = nobody,
        unit: str = "trades",
    ) -> WriteStory:
        """Send all lines and return once every one of them is acknowledged."""
        lock = threading.Lock()
        sent = {"rows": 0, "bytes": 0, "requests": 0, "retries": 0}

        def send(piece: Body) -> None:
            until = time.monotonic() + self._plan.deadline
            pause = 0.05
            while True:
                outcome = self._attempt(bucket, piece.body)
                if outcome is None:
                    break
                if outcome.kind not in {"transient", "overload"} or time.monotonic() > until:
                    raise error_of(outcome, doing, self._connection.address.url)
                time.sleep(outcome.retry_after or random.uniform(0, pause))  # noqa: S311 -- jitter, not secrets
                pause = min(2 * pause, 5.0)
                sent["retries"] += 1
            with lock:
                sent["rows"] += piece.rows
                sent["bytes"] += len(piece.body)
                sent["requests"] += 1
                observer(Progress("load", subject, sent["rows"], expected, unit))

        with ThreadPoolExecutor(self._plan.connections) as pool:
            under_way: set[Future[None]] = set()
            for piece in lines:
                under_way.add(pool.submit(send, piece))
                while len(under_way) >= 2 * self._plan.connections:
                    done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                    for one in done:
                        one.result()
            for one in under_way:
                one.result()
        return WriteStory(**sent)

    def _attempt(self, bucket: str, body: bytes) -> Failure | None:
        query = {"org": self._connection.address.org, "bucket": bucket, "precision": "ns"}
        try:
            reply = self._connection.send("POST", "/api/v2/write", query=query, body=body, timeout=self._plan.timeout)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return failure_of_exception(error)
        return None if reply.passed else failure_of_reply(reply, time.time())
