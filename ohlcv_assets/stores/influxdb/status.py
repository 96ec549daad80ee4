"""Asking the status bucket for records.

What belongs here: one statement of InfluxQL, its first result, its errors. What does not: what records say
(``records``, ``chunks``, ``tasks.runs``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from ohlcv_assets.errors import StoreAccessError
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.failures import query_error
from ohlcv_assets.stores.influxdb.layout import Layout


@dataclass(frozen=True, slots=True)
class Series:
    """Rows of one group: its tags, and the values of each row, the time in nanoseconds first."""

    tags: Mapping[str, str]
    rows: Sequence[list[object]]


def series_of(
    connection: Connection,
    layout: Layout,
    statement: str,
    *,
    of: str,
    name: str,
    missing: str | None = None,
    patience: float | None = None,
) -> list[Series]:
    """Return what a statement finds in the status bucket.

    Parameters
    ----------
    connection, layout
        The way to the server, and the bucket.
    statement
        A single one, quoted.
    of
        What the records are of, for errors: ``"days"``.
    name
        What the query is called in errors.
    missing
        What to say where the token may not read the bucket or there is none; the server's words where None.
    patience
        See ``Connection.call``.

    Raises
    ------
    StoreQueryError, StoreAccessError, StoreUnavailableError
        It could not be found out.
    """
    query = {"db": layout.status.name, "epoch": "ns", "q": statement}
    doing = f"read the records of {of}"
    reply = connection.call("GET", "/query", doing=doing, query=query, patience=patience)
    result = cast("list[dict[str, object]]", reply.document().get("results") or [{"error": "no result"}])[0]
    if "error" in result:
        if missing is not None and "database not found" in str(result["error"]):
            raise StoreAccessError(missing)
        raise query_error(str(result["error"]), name, connection.address.url)
    return [
        Series(
            cast("dict[str, str]", series.get("tags") or {}),
            cast("list[list[object]]", series["values"]),
        )
        for series in cast("list[dict[str, object]]", result.get("series") or [])
    ]
