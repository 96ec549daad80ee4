"""What an event says about itself: figures worth plotting, paths, tables of differences.

What belongs here: turning results of steps and verdicts into Dagster metadata. What does not: computing them.
https://docs.dagster.io/guides/build/assets/metadata-and-tags
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import dagster as dg
import pyarrow as pa

from ohlcv_assets.bars.resolutions import BARS
from ohlcv_assets.market.schema import STORED, TRADES
from ohlcv_assets.pipeline.steps import FiledDay, LoadedDay, RolledUpDay
from ohlcv_assets.pipeline.usage import Usage
from ohlcv_assets.project import Project
from ohlcv_assets.verify.verdict import Scalar, Verdict

Metadata = dict[str, Any]  # Any: whatever Dagster accepts as a metadata value; it publishes no name for that

ROWS: Final = "dagster/partition_row_count"
_MEGABYTE: Final = 1e6


def column_schema(schema: pa.Schema, meanings: Mapping[str, str]) -> Metadata:
    """Return the metadata of an asset's definition that the user interface shows as its columns."""
    columns = [
        dg.TableColumn(
            field.name,
            str(field.type),
            description=meanings.get(field.name),
            constraints=dg.TableColumnConstraints(nullable=field.nullable),
        )
        for field in schema
    ]
    return {"dagster/column_schema": dg.MetadataValue.table_schema(dg.TableSchema(columns))}


def of_file(filed: FiledDay) -> Metadata:
    """Return what is recorded of a day's file."""
    file = filed.file
    return {
        ROWS: file.rows,
        "bytes": file.bytes,
        "bytes_per_trade": round(file.bytes / file.rows, 3) if file.rows > 0 else 0.0,
        "symbols": len(file.counts),
        "reused": filed.reused,
        "file": dg.MetadataValue.path(str(file.path.absolute())),
        "content_hash": file.content_hash,
        "fingerprint": dg.MetadataValue.json(dict(file.fingerprint)),
        **of_usage(filed.usage, file.rows, "trades"),
    }


def of_load(loaded: LoadedDay, store: str) -> Metadata:
    """Return what is recorded of a day's stored trades."""
    report = loaded.report
    return {
        ROWS: report.rows,
        "written": report.written,
        "deleted": report.deleted,
        "waited_seconds": round(report.waited, 4),
        "bars_outdated": loaded.outdated,
        "store": store,
        "file": dg.MetadataValue.path(str(loaded.file.path.absolute())),
        "content_hash": loaded.file.content_hash,
        **of_story(report.detail),
        **of_usage(loaded.usage, report.rows, "trades"),
    }


def of_story(detail: Mapping[str, float | int | str]) -> Metadata:
    """Return what a store tells of a load: its figures, without those that the step has of its own."""
    renamed = {"seconds": "write_seconds", "cpu_seconds": "write_cpu_seconds", "bytes": "line_bytes"}
    kept = {renamed.get(name, name): value for name, value in detail.items() if name not in {"rows", "peak_memory"}}
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in kept.items()}


def of_bars(rolled: RolledUpDay, resolution: str, project: Project) -> Metadata:
    """Return what is recorded of a day's bars of one resolution."""
    chunk = rolled.chunks[resolution]
    return {
        ROWS: rolled.bars[resolution],
        "trades": rolled.trades[resolution],
        "made": resolution not in rolled.left_alone,
        "engine": project.settings.bar_engine,
        "store": project.trade_store.name,
        "content_hash": chunk.source_hash,
        "chunk_state": chunk.state,
        "chunk_attempts": chunk.attempts,
        **of_usage(rolled.usage, rolled.file.rows, "trades"),
    }


def of_usage(usage: Usage, rows: int, unit: str) -> Metadata:
    """Return what a step cost; ``rows`` over its wall time is its rate."""
    return {
        "seconds": round(usage.seconds, 4),
        "cpu_seconds": round(usage.cpu_seconds, 4),
        f"{unit}_per_second": round(rows / usage.seconds) if usage.seconds > 0 else 0,
        "peak_memory_mb": round(usage.peak_memory / _MEGABYTE, 1),
        "bytes_in": usage.bytes_in,
        "bytes_out": usage.bytes_out,
    }


def of_verdict(verdict: Verdict, usage: Usage) -> Metadata:
    """Return what is recorded of a check: enough to understand a failure without looking anywhere else."""
    metadata: Metadata = {
        "summary": verdict.summary,
        "expected": dg.MetadataValue.json(dict(verdict.expected)),
        "found": dg.MetadataValue.json(dict(verdict.found)),
        "seconds": round(usage.seconds, 4),
        "cpu_seconds": round(usage.cpu_seconds, 4),
        "peak_memory_mb": round(usage.peak_memory / _MEGABYTE, 1),
    }
    if verdict.different > 0:
        metadata["different"] = verdict.different
    if verdict.differences:
        metadata["differences"] = table(verdict.differences)
    return metadata


def table(rows: tuple[Mapping[str, Scalar], ...]) -> dg.TableMetadataValue:
    """Return rows as a table; its columns are those of the first row."""
    names = list(rows[0])
    columns = [dg.TableColumn(name, _type(rows, name)) for name in names]
    records = [dg.TableRecord({name: _cell(row.get(name)) for name in names}) for row in rows]
    return dg.TableMetadataValue(records=records, schema=dg.TableSchema(columns))


def _type(rows: tuple[Mapping[str, Scalar], ...], name: str) -> str:
    kinds = {type(row.get(name)) for row in rows}
    return {frozenset({int}): "int", frozenset({float}): "float", frozenset({bool}): "bool"}.get(
        frozenset(kinds), "string"
    )


def _cell(value: Scalar) -> str | int | float | bool:
    return "" if value is None else value


TRADE_COLUMNS: Final = {
    "symbol": "Name of the instrument.",
    "ts": "Time of the trade, UTC, nanoseconds; unique for its symbol.",
    "price": "Price in units of the quote currency, on the symbol's tick grid.",
    "amount": "Shares or coins, on the symbol's lot grid.",
    "side": "+1 initiated by the buyer, -1 by the seller.",
    "trade_id": "Counts the trades of a symbol over the dataset.",
}
BAR_COLUMNS: Final = {
    "symbol": "Name of the instrument.",
    "ts": "Open time of the bar, UTC; it holds the trades of [ts, ts + duration).",
    "open": "Price of the first trade.",
    "high": "Highest price.",
    "low": "Lowest price.",
    "close": "Price of the last trade.",
    "volume": "Sum of amounts.",
    "turnover": "Sum of price times amount.",
    "trades": "Number of trades, at least one.",
    "imbalance": "Sum of sides: trades initiated by buyers less those by sellers.",
}
TRADES_SCHEMA: Final = column_schema(TRADES, TRADE_COLUMNS)
STORED_SCHEMA: Final = column_schema(STORED, TRADE_COLUMNS)
BARS_SCHEMA: Final = column_schema(BARS, BAR_COLUMNS)
