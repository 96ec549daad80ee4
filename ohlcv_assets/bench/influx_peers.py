"""What our way of loading is measured against: ``inch``, influxdb-client's own batching, and bare connections.

What belongs here: running each of them once, with its cost. What does not: our own way (``influx_load``), comparing
(``influx``).
"""

from __future__ import annotations

import http.client
import queue
import resource
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import influxdb_client
import pandas as pd
from pydantic import SecretStr

from ohlcv_assets.errors import OhlcvError
from ohlcv_assets.stores.influxdb.connection import Address, tls_context
from ohlcv_assets.stores.influxdb.layout import TRADES_MEASUREMENT
from ohlcv_assets.stores.influxdb.writer.usage import ServerUsage

_LIBRARY: Final[Any] = influxdb_client  # Any: what it exports has no types

INCH: Final = "inch"
GET_INCH: Final = "inch is not on PATH: go install github.com/influxdata/inch/cmd/inch@latest"
NO_TOKENS: Final = "inch was not run: the token in force may not make the token that inch is given"
FIELDS: Final = 3
INCH_CONNECTIONS: Final = 4
"""As many as our own writers have where nobody sets another number."""

PATIENCE: Final = 900.0
"""Seconds that a peer may take for one repetition."""

CLIENT_LINES: Final = 5_000
"""Lines of a request of influxdb-client, as InfluxData recommends."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What loading some rows took.

    Attributes
    ----------
    rows
        Rows that the server acknowledged.
    seconds
        Wall time.
    client
        Processor seconds of the loading process.
    server
        Processor seconds of the server; None where it does not run on this machine.
    memory
        Resident bytes of the server afterwards; likewise.
    """

    rows: int
    seconds: float
    client: float
    server: float | None
    memory: int | None = None

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds

    @property
    def client_per_million(self) -> float:
        """Processor seconds of the loading process a million rows."""
        return self.client / self.rows * 1e6

    @property
    def server_per_million(self) -> float | None:
        """Processor seconds of the server a million rows."""
        return None if self.server is None else self.server / self.rows * 1e6


def measured(action: Callable[[], int], server: ServerUsage) -> Cost:
    """Run something that loads rows and returns how many, and return its cost.

    Parameters
    ----------
    action
        What loads; processes that it starts and waits for count as the client.
    server
        Where to read what the server used.
    """
    served, spent, started = server.cpu_seconds(), _processor_seconds(), time.perf_counter()
    rows = action()
    seconds = time.perf_counter() - started
    spent, after = _processor_seconds() - spent, server.cpu_seconds()
    return Cost(rows, seconds, spent, None if served is None or after is None else after - served, server.memory())


def _processor_seconds() -> float:
    """Return the processor seconds of this process and of those it waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def has_inch() -> bool:
    """Tell whether InfluxData's load generator can be run."""
    return shutil.which(INCH) is not None


@dataclass(frozen=True, slots=True)
class InchRun:
    """How ``inch`` is run: one measurement, one tag, three fields, as many points as trades.

    Attributes
    ----------
    series
        Values of the tag.
    rows
        Points in all; rounded down to a whole number a series.
    batch, connections
        Points a request and requests at a time.
    """

    series: int
    rows: int
    batch: int
    connections: int

    @property
    def points(self) -> int:
        """Points of each series."""
        return max(1, self.rows // self.series)


def run_inch(address: Address, token: SecretStr, bucket: str, run: InchRun) -> int:
    """Let ``inch`` load into a bucket that is there and return how many points it wrote.

    Parameters
    ----------
    address
        The server.
    token
        May write into the bucket; others of this machine can see it while ``inch`` runs.
    bucket
        Name of an empty bucket.
    run
        Shape, number and manner.

    Raises
    ------
    OhlcvError
        It failed or took too long.
    """
    options = {
        "-host": address.url, "-token": token.get_secret_value(), "-db": bucket, "-m": 1, "-t": run.series,
        "-f": FIELDS, "-p": run.points, "-b": run.batch, "-c": run.connections, "-max-errors": 1,
    }  # fmt: skip
    command = [INCH, "-v2", *(str(part) for option in options.items() for part in option)]
    try:
        ended = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)  # noqa: S603 -- own options
    except subprocess.TimeoutExpired:
        # The exception's text repeats the command, and with it the token.
        raise OhlcvError(f"inch did not end within {PATIENCE:g} s; look at the server.") from None
    said = _last_line(ended.stderr)
    # It ends with 0 after requests that failed, and says so only there.
    if ended.returncode != 0 or said:
        said = (said or _last_line(ended.stdout)).replace(token.get_secret_value(), "***")
        raise OhlcvError(f"inch failed ({said}); `ohlcv influx doctor` looks at the server.")
    return run.points * run.series


def _last_line(printed: bytes) -> str:
    lines = printed.decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def run_client_frame(address: Address, bucket: str, frame: pd.DataFrame) -> int:
    """Let influxdb-client's batching writer load a pandas frame, as its documentation shows, and return its rows.

    Parameters
    ----------
    address
        The server, with a token that may write into the bucket.
    bucket
        Name of an empty bucket.
    frame
        Index ``ts``; columns ``symbol``, ``price``, ``amount``, ``side``.

    Raises
    ------
    OhlcvError
        A request failed; the client itself only logs that.
    """
    failed: list[str] = []

    def on_error(_: object, __: object, error: Exception) -> None:
        failed.append(type(error).__name__)

    token = "" if address.token is None else address.token.get_secret_value()
    timeout, tls = int(1000 * address.timeout), tls_context(address)
    with _LIBRARY.InfluxDBClient(address.url, token, org=address.org, timeout=timeout, ssl_context=tls) as client:
        options = _LIBRARY.WriteOptions(batch_size=CLIENT_LINES)
        with client.write_api(write_options=options, error_callback=on_error) as writer:
            writer.write(
                bucket,
                record=frame,
                data_frame_measurement_name=TRADES_MEASUREMENT,
                data_frame_tag_columns=["symbol"],
            )
    if failed:
        raise OhlcvError(f"influxdb-client lost {len(failed)} of its requests ({failed[0]}).")
    return len(frame)


def run_bare(address: Address, bucket: str, bodies: Sequence[tuple[bytes, int]], connections: int) -> int:
    """Send bodies made beforehand over plain kept-alive connections and return how many rows they held.

    Nothing is repeated, looked after or counted: no client can need less.

    Parameters
    ----------
    address
        The server, with a token that may write into the bucket.
    bucket
        Name of an empty bucket.
    bodies
        Line protocol, and its number of lines.
    connections
        How many at a time.

    Raises
    ------
    OhlcvError
        A request failed.
    """
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    for body, _ in bodies:
        waiting.put(body)
    failed: list[str] = []
    senders = [threading.Thread(target=_drain, args=(address, bucket, waiting, failed)) for _ in range(connections)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    if failed:
        raise OhlcvError(f"A bare request of the benchmark failed: {failed[0]}.")
    return sum(rows for _, rows in bodies)


def _drain(address: Address, bucket: str, waiting: queue.SimpleQueue[bytes], failed: list[str]) -> None:
    parts = urlsplit(address.url)
    path = f"{parts.path}/api/v2/write?{urlencode({'org': address.org, 'bucket': bucket, 'precision': 'ns'})}"
    token = "" if address.token is None else address.token.get_secret_value()
    connection = (
        http.client.HTTPConnection(parts.netloc, timeout=address.timeout)
        if parts.scheme == "http"
        else http.client.HTTPSConnection(parts.netloc, timeout=address.timeout, context=tls_context(address))
    )
    try:
        while not failed:
            connection.request("POST", path, waiting.get_nowait(), {"Authorization": f"Token {token}"})
            reply = connection.getresponse()
            reply.read()
            if reply.status != HTTPStatus.NO_CONTENT:
                failed.append(f"status {reply.status}")
    except queue.Empty:
        pass
    except (OSError, http.client.HTTPException) as error:
        failed.append(type(error).__name__)
    finally:
        connection.close()
