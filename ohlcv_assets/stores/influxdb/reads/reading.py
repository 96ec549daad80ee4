"""Replies to queries as Arrow tables, and the errors that hide in them.

What belongs here: CSV as 2.9.1 writes it, read without a loop over rows, and MessagePack for few rows. What does not:
sending queries (``asking``), their texts (``queries``).

An error may follow a status of 200. Flux ends its CSV in a table ``error,reference``. InfluxQL leaves every statement
that failed out of its CSV without a word, and all after it: so a last statement is added that always has rows, and a
reply without them is one that failed.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any, Final, cast

import numpy as np
import ormsgpack
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from ohlcv_assets.errors import StoreMismatchError
from ohlcv_assets.market.schema import SYMBOL_TYPE, TS_TYPE
from ohlcv_assets.stores.influxdb.lineprotocol.literals import symbol_of
from ohlcv_assets.stores.influxdb.reads.packed import TIME, series_of

LAST_STATEMENT: Final = "SHOW DATABASES"
"""Has a header whatever is stored, costs 0.04 ms, and is allowed to whoever may read any bucket."""

Types = Mapping[str, pa.DataType]

_LAST_HEADER: Final = b"name,tags,name\n"
_FLUX_ERROR: Final = re.compile(rb"(?:^|\n),?error,reference\r?\n,?(.*)", re.DOTALL)
_TABLES: Final = re.compile(rb"(?:\r\n){2,}")
_TAG_PREFIX: Final = "symbol="
_TEXT: Final = {"result": pa.string(), "symbol": pa.string(), "_field": pa.string(), "_value": pa.string()}
_FLUX_TYPES: Final[Types] = {**_TEXT, "_time": TS_TYPE}
_FIRST: Final = ("tags", TIME)
_NUMBERS: Final = frozenset({pa.int64(), pa.float64()})


class ReplyError(Exception):
    """A reply that passed and yet reports an error, or lacks its end; its text is the server's."""


def flux_table(body: bytes) -> pa.Table:
    """Return what Flux replied as one table: ``result``, ``symbol``, ``_field``, ``_value`` (text), ``_time``.

    Columns that a result does not have are null. A value keeps the text it came in, which is exact for every type.

    Raises
    ------
    ReplyError
        The reply ends in an error.
    """
    failed = _FLUX_ERROR.search(body)
    if failed is not None:
        raise ReplyError(" ".join(failed[1].decode(errors="replace").strip(' \r\n,"').split()))
    tables = [_read(block, _FLUX_TYPES) for block in _TABLES.split(body) if block.strip()]
    schema = pa.schema(list(_FLUX_TYPES.items()))
    whole = [_with_all(table, schema) for table in tables]
    return pa.concat_tables([schema.empty_table(), *whole])


def influxql_table(body: bytes, types: Types) -> pa.Table:
    """Return what InfluxQL replied to statements that select the same columns, as one table.

    Parameters
    ----------
    body
        CSV; the last statement must have been ``LAST_STATEMENT``.
    types
        Columns to read, in the order of the table; ``tags`` for the series.

    Raises
    ------
    ReplyError
        A statement failed, or the reply was cut off.
    """
    end = body.rfind(_LAST_HEADER)
    if end < 0 or not (end == 0 or body.endswith(b"\n\n", 0, end)):
        raise ReplyError("a statement failed")
    rows = body[:end].rstrip(b"\n")
    if not rows:
        return pa.schema(list(types.items())).empty_table()
    header = rows[: rows.index(b"\n") + 1]
    return _read(rows.replace(b"\n\n" + header, b"\n"), types)


def packed_table(body: bytes, types: Types) -> pa.Table:
    """Return what InfluxQL replied to one statement in MessagePack, as ``influxql_table`` does from CSV.

    The server writes it in two thirds of the time of CSV. One series of whole rows of numbers is read by compiled code;
    otherwise every value becomes a Python object on its way, so it is for few rows.

    Raises
    ------
    ReplyError
        The statement failed, or the reply was cut off.
    """
    regular = _regular(body, types)
    if regular is not None:
        return regular
    try:
        (result,) = ormsgpack.unpackb(body)["results"]
    except (ValueError, LookupError, TypeError):
        raise ReplyError("the reply is no MessagePack of one result") from None
    if "error" in result or result.get("partial"):
        raise ReplyError(str(result.get("error", "the reply is not complete")))
    schema = pa.schema(list(types.items()))
    tables = [_packed_series(series, schema) for series in result.get("series") or ()]
    return pa.concat_tables([schema.empty_table(), *tables])


def symbols_of_tags(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    """Return a column ``tags`` of InfluxQL, grouped by symbol, as symbols; Any: the type parameter varies."""
    return _renamed(column, len(_TAG_PREFIX))


def symbols_of_texts(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    """Return tag texts as symbols; Any: the type parameter varies."""
    return _renamed(column.dictionary_encode(), 0)


def require_whole(table: pa.Table, what: str) -> pa.Table:
    """Return a table without nulls.

    Raises
    ------
    StoreMismatchError
        A stored point lacks one of the columns.
    """
    for name in table.column_names:
        column = table.column(name)
        if column.null_count > 0:
            row = table.slice(pc.index(pc.is_null(column), value=True).as_py(), 1)
            where = f"{row['symbol'][0].as_py()} at {row['ts'][0].cast(pa.int64()).as_py()} ns"
            raise StoreMismatchError(
                f"InfluxDB holds {column.null_count:,} {what} without {name}, the first is {where}: load the day again."
            )
    return table


def _renamed(column: pa.ChunkedArray[Any], skip: int) -> pa.ChunkedArray[Any]:
    """Turn the dictionaries' tag texts into symbols; there are few of them. Any: the type parameter varies."""
    chunks: list[pa.Array[Any]] = []  # Any: as above
    for chunk in cast("list[pa.DictionaryArray[Any, Any]]", column.chunks):  # Any: as above
        names = [symbol_of(text[skip:]) for text in cast("list[str]", chunk.dictionary.to_pylist())]
        chunks.append(pa.DictionaryArray.from_arrays(chunk.indices, pa.array(names, pa.string())))
    return pa.chunked_array([pa.array([], SYMBOL_TYPE), *chunks]).cast(SYMBOL_TYPE)


def _regular(body: bytes, types: Types) -> pa.Table | None:
    """Return a reply of one series of whole rows of numbers as a table; None where it is another one."""
    if tuple(types)[:2] != _FIRST or not _NUMBERS.issuperset(list(types.values())[2:]):
        return None
    fields = {name: pa.types.is_floating(kind) for name, kind in types.items() if name not in _FIRST}
    series = series_of(body, fields)
    if series is None:
        return None
    tags = _one_tag(series.tags["symbol"], len(series.columns[TIME]))
    return pa.Table.from_arrays([tags, *map(pa.array, series.columns.values())], schema=pa.schema(list(types.items())))


def _packed_series(series: Mapping[str, Any], schema: pa.Schema) -> pa.Table:  # Any: as MessagePack has it
    """Return one series; its only tag is ``symbol``."""
    cells = dict(zip(series["columns"], zip(*series["values"], strict=True), strict=True))
    tags = _one_tag(series["tags"]["symbol"], len(series["values"]))
    columns = [
        tags.cast(field.type) if field.name == "tags" else pa.array(cells[field.name], field.type) for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _one_tag(symbol: str, rows: int) -> pa.DictionaryArray[Any, Any]:  # Any: a type parameter varies
    """Return a column ``tags`` of one tag text."""
    return pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array([f"{_TAG_PREFIX}{symbol}"], pa.string()))


def _read(block: bytes, types: Types) -> pa.Table:
    """Read one CSV table with a header."""
    head = block.lstrip(b"\r\n")
    present = set(head[: head.find(b"\n")].decode().rstrip("\r").split(","))
    columns = [name for name in types if name in present]
    return csv.read_csv(
        io.BytesIO(head),
        convert_options=csv.ConvertOptions(
            column_types={name: types[name] for name in columns},
            include_columns=columns,
            null_values=[""],
            strings_can_be_null=False,
        ),
    )


def _with_all(table: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = [
        table[field.name] if field.name in table.column_names else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)
