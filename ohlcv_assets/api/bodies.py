"""Rows of bars and trades as JSON, CSV and Arrow.

What belongs here: turning tables into bytes, column by column and never row by row. What does not: which rows.

JSON has columns rather than rows: it is smaller, and a chart wants columns. Instants of bars are milliseconds since
1970, which a double holds; those of trades are texts, for a double does not hold nanoseconds.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, Final, Literal, cast

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv

from ohlcv_assets.bars.derive import with_vwap
from ohlcv_assets.market.schema import TS_TYPE

Format = Literal["json", "csv", "arrow"]
ARROW: Final = "application/vnd.apache.arrow.stream"
MEDIA_TYPES: Final[Mapping[Format, str]] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "arrow": ARROW,
}
_TEXT_FORM: Final = "%Y-%m-%dT%H:%M:%SZ"
_OPTIONS: Final = orjson.OPT_SERIALIZE_NUMPY
_MILLISECOND: Final = 1_000_000
_BAR_COLUMNS: Final = {
    "o": "open",
    "h": "high",
    "l": "low",
    "c": "close",
    "v": "volume",
    "n": "trades",
    "vw": "vwap",
    "q": "turnover",
    "i": "imbalance",
}

CONVENTIONS: Final = {
    b"label": b"ts is the open time of [ts, ts + duration), UTC",
    b"empty": b"an interval without a trade has no row",
    b"vwap": b"turnover / volume",
}
"""What the metadata of an Arrow answer says."""


def media_type_of(form: Format | None, accept: str) -> Format:
    """Return the format asked for: by name, or by what a client accepts; JSON otherwise."""
    if form is not None:
        return form
    if ARROW in accept:
        return "arrow"
    return "csv" if "text/csv" in accept else "json"


def json_bytes(document: object) -> bytes:
    """Return a document as JSON; NumPy arrays are lists, NaN is null."""
    return orjson.dumps(document, option=_OPTIONS)


def bars_json(bars: pa.Table, about: Mapping[str, object]) -> bytes:
    """Return bars of one symbol as a JSON document with ``columns``."""
    wide = with_vwap(bars)
    columns = {"t": nanos(wide["ts"]) // _MILLISECOND} | {
        key: numbers(wide[name]) for key, name in _BAR_COLUMNS.items()
    }
    return json_bytes({**about, "columns": columns})


def bars_csv(bars: pa.Table) -> bytes:
    """Return bars as CSV with a header."""
    return _csv(with_vwap(bars))


def bars_arrow(bars: pa.Table, about: Mapping[str, object]) -> bytes:
    """Return bars as an Arrow stream, what else is to be said in the schema's metadata."""
    return _arrow(with_vwap(bars), about)


def trades_json(trades: pa.Table, about: Mapping[str, object]) -> bytes:
    """Return trades of one symbol as a JSON document with ``columns``."""
    columns = {
        "ts": pc.strftime(trades["ts"], format=_TEXT_FORM).to_pylist(),
        "price": numbers(trades["price"]),
        "amount": numbers(trades["amount"]),
        "side": numbers(trades["side"]),
    }
    return json_bytes({**about, "columns": columns})


def trades_csv(trades: pa.Table) -> bytes:
    """Return trades as CSV with a header."""
    return _csv(trades)


def trades_arrow(trades: pa.Table, about: Mapping[str, object]) -> bytes:
    """Return trades as an Arrow stream."""
    return _arrow(trades, about)


def reversed_rows(table: pa.Table) -> pa.Table:
    """Return a table from its end to its beginning."""
    return table.take(np.arange(table.num_rows)[::-1])


def instant_texts(ts: NDArray[np.int64]) -> list[str]:
    """Return nanoseconds since 1970 as texts with nine digits of a second."""
    column: pa.ChunkedArray[Any] = pa.chunked_array([pa.array(ts)]).cast(TS_TYPE)  # Any: a type parameter varies
    return cast("list[str]", pc.strftime(column, format=_TEXT_FORM).to_pylist())


def nanos(column: pa.ChunkedArray[Any]) -> NDArray[np.int64]:
    """Return instants as nanoseconds; Any: a column's type parameter varies."""
    # A view of what is there: casting goes through Arrow's registry of functions, which costs more than all else.
    found: NDArray[np.int64] = column.to_numpy().view(np.int64)
    return found


def numbers(column: pa.ChunkedArray[Any]) -> NDArray[Any]:
    """Return numbers as one array that orjson takes; Any: a column's type parameter varies."""
    return np.ascontiguousarray(column.to_numpy())


def _csv(table: pa.Table) -> bytes:
    plain = table.set_column(0, "symbol", table["symbol"].cast(pa.string()))
    plain = plain.set_column(1, "ts", pc.strftime(table["ts"], format=_TEXT_FORM))
    sink = io.BytesIO()
    csv.write_csv(plain, sink, csv.WriteOptions(quoting_style="needed", quoting_header="none"))  # type: ignore[call-arg]  # newer than the types
    return sink.getvalue()


def _arrow(table: pa.Table, about: Mapping[str, object]) -> bytes:
    metadata = CONVENTIONS | {b"ohlcv": json_bytes(about)}
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema.with_metadata(metadata)) as writer:
        writer.write_table(table.replace_schema_metadata(metadata))
    return sink.getvalue()
