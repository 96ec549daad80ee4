"""Replies of InfluxQL: CSV, JSON and MessagePack, as the server writes them.

What belongs here: series and their texts. What does not: how series come about (``influxql``).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import ormsgpack

from ohlcv_assets_tests.stores.influxdb.fake.instants import float_text, text_of

_UNITS: Final = {"ns": 1, "n": 1, "u": 1_000, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}


@dataclass
class Series:
    """Rows of one name and one set of tags."""

    name: str
    tags: dict[str, str]
    columns: list[str]
    rows: list[list[Any]] = field(default_factory=list)  # Any: values vary


Results = list[list[Series] | str]
"""What each statement gave: series, or an error's text."""


def csv_of(results: Results, epoch: str | None) -> str:
    """Return results as CSV; errors of statements leave no trace in it, as on the server."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    first = True
    for result in results:
        head: list[str] | None = None
        for series in result if not isinstance(result, str) else []:
            if series.columns != head:
                if not first:
                    out.write("\n")
                first = False
                head = series.columns
                writer.writerow(["name", "tags", *head])
            tags = ",".join(f"{name}={value}" for name, value in series.tags.items())
            for row in series.rows:
                writer.writerow([series.name, tags, *(_cell(value) for value in _timed(series, row, epoch))])
    return out.getvalue()


def _timed(series: Series, row: list[Any], epoch: str | None) -> list[Any]:  # Any: values vary
    """Return a row with its instant in the unit that was asked for."""
    if series.columns[0] != "time":
        return row
    moment = text_of(row[0]) if epoch is None else row[0] // _UNITS[epoch]
    return [moment, *row[1:]]


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return float_text(value) if isinstance(value, float) else "" if value is None else str(value)


def json_of(results: Results, epoch: str | None, size: int | None) -> str:
    """Return results as JSON, in chunks of ``size`` rows where it is given."""
    if size is None:
        return f"{_dumped({'results': [_result(number, found, epoch) for number, found in enumerate(results)]})}\n"
    documents = []
    for number, found in enumerate(results):
        parts = list(_parts(found, size)) if not isinstance(found, str) else []
        for position, (series, more) in enumerate(parts):
            shown = {**_series(series, epoch), **({"partial": True} if more else {})}
            rest = {"partial": True} if position + 1 < len(parts) else {}
            documents.append({"results": [{"statement_id": number, "series": [shown], **rest}]})
        if not parts:
            documents.append({"results": [_result(number, found, epoch)]})
    return "".join(f"{_dumped(document)}\n" for document in documents)


def packed_of(results: Results, epoch: str | None) -> bytes:
    """Return results as MessagePack; of statements that failed the last one alone is told, as on the server."""
    shown = [_result(number, found, epoch) for number, found in enumerate(results)]
    failed = [{"error": result["error"]} for result in shown if "error" in result]
    return ormsgpack.packb({"results": failed[-1:] or shown})


def _parts(found: list[Series], size: int) -> Iterator[tuple[Series, bool]]:
    """Cut series into chunks, and tell of each whether more of its series follows."""
    for series in found:
        for first in range(0, len(series.rows), size):
            rows = series.rows[first : first + size]
            yield Series(series.name, series.tags, series.columns, rows), first + size < len(series.rows)


def _result(number: int, found: list[Series] | str, epoch: str | None) -> dict[str, Any]:  # Any: a JSON document
    if isinstance(found, str):
        return {"statement_id": number, "error": found}
    shown = [_series(series, epoch) for series in found]
    return {"statement_id": number, **({"series": shown} if shown else {})}


def _series(series: Series, epoch: str | None) -> dict[str, Any]:  # Any: a JSON document
    rows = [[_number(value) for value in _timed(series, row, epoch)] for row in series.rows]
    return {
        "name": series.name,
        **({"tags": series.tags} if series.tags else {}),
        "columns": series.columns,
        "values": rows,
    }


def _number(value: object) -> object:
    """Return whole floats as Go writes them."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e21 else value


def _dumped(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
