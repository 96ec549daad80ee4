"""Stored points for tests of questions, and askers that can only do so much at once.

What belongs here: those two. What does not: stores (``stores``), fixtures.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.failures import query_error
from ohlcv_assets.stores.influxdb.leasing.closings import Span
from ohlcv_assets.stores.influxdb.lineprotocol.lines import trade_lines
from ohlcv_assets.stores.influxdb.reads.asking import ALWAYS, Asker, QueryTimeout
from ohlcv_assets.stores.influxdb.reads.reading import Types
from ohlcv_assets_tests.servers import Server

BUCKET: Final = "first"
"""The bucket that a fake server is set up with."""

Fits = Callable[[str], bool]
"""Whether the text of a question passes."""

_RANGE: Final = re.compile(r"range\(start: (\S+)Z, stop: (\S+)Z\)")


class Limited(Asker):
    """An asker whose server takes too long for questions that do not fit.

    Attributes
    ----------
    asked
        Name and text of every question, those that took too long included.
    """

    def __init__(self, connection: Connection, fits: Fits) -> None:
        super().__init__(connection, 20.0)
        self.asked: list[tuple[str, str]] = []
        self._fits = fits

    def flux(self, text: str, name: str, span: Span = ALWAYS) -> pa.Table:
        """Ask in Flux."""
        self._require(text, name)
        return super().flux(text, name, span)

    def influxql(
        self, bucket: str, statements: Sequence[str], types: Types, name: str, span: Span = ALWAYS
    ) -> pa.Table:
        """Ask in InfluxQL."""
        self._require(";".join(statements), name)
        return super().influxql(bucket, statements, types, name, span)

    def influxql_few(self, bucket: str, statement: str, types: Types, name: str, span: Span = ALWAYS) -> pa.Table:
        """Ask for few rows."""
        self._require(statement, name)
        return super().influxql_few(bucket, statement, types, name, span)

    def texts(self, name: str) -> list[str]:
        """Return what was asked under a name."""
        return [text for asked, text in self.asked if asked == name]

    def _require(self, text: str, name: str) -> None:
        self.asked.append((name, text))
        if not self._fits(text):
            raise QueryTimeout(str(query_error("no answer in time", name, "a test's server")))


def index(text: str) -> bool:
    """Return whether a question is one to the index, which passes whatever is stored."""
    return text.startswith("SHOW TAG VALUES")


def one_symbol(text: str) -> bool:
    """Return whether a question is about one symbol."""
    return index(text) or text.count("symbol ==") == text.count("from(") > 0


def within(nanoseconds: int) -> Fits:
    """Return what lets questions pass whose range is no longer than that."""

    def fits(text: str) -> bool:
        spans = [np.datetime64(stop, "us") - np.datetime64(start, "us") for start, stop in _RANGE.findall(text)]
        return index(text) or all(span <= np.timedelta64(nanoseconds // 1_000, "us") for span in spans)

    return fits


def write(server: Server, lines: Iterable[str], bucket: str = BUCKET) -> None:
    """Write lines."""
    connection = server.connect()
    query = {"org": server.org, "bucket": bucket, "precision": "ns"}
    body = "\n".join(lines).encode()
    connection.call("POST", "/api/v2/write", doing="write for a test", query=query, body=body)
    connection.close()


def write_trades(server: Server, trades: pa.Table, bucket: str = BUCKET) -> None:
    """Write trades."""
    for lines in trade_lines([trades], 5_000):
        write(server, [lines.body.decode().rstrip("\n")], bucket)
