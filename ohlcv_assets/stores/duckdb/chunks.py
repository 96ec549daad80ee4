# ruff: noqa: S608 -- every name in these texts is a constant of this module; values are parameters only
"""Records of chunks of bars in the embedded store, and leases of them beside it.

What belongs here: the protocol ``stores.chunks.Chunks`` over sessions of the broker and locks of the operating system,
which end with their process, however it ends. What does not: the file (``broker``), bars.

The table is made when something is first recorded, so that files made before there were records stay usable.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, fields, replace
from pathlib import Path
from typing import Final

import pyarrow as pa
from filelock import FileLock, Timeout

from ohlcv_assets.bars.chunks import Span
from ohlcv_assets.lake.machine import machine_errors
from ohlcv_assets.stores.chunks import EVER, Check, ChunkRecord, always_ours, busy, days_held, shortened
from ohlcv_assets.stores.duckdb import sql
from ohlcv_assets.stores.duckdb.broker import Broker, Session
from ohlcv_assets.stores.duckdb.lock import delays
from ohlcv_assets.units import SECOND, Nanos

FOLDER_SUFFIX: Final = ".chunks"
"""What the folder of locks adds to the name of the store's file."""

_NAMES: Final = ", ".join(f'"{field.name}"' for field in fields(ChunkRecord))
_TYPES: Final[dict[str, tuple[str, pa.DataType]]] = {
    "str": ("VARCHAR", pa.string()),
    "ChunkState": ("VARCHAR", pa.string()),
    "int": ("BIGINT", pa.int64()),
    "Nanos": ("BIGINT", pa.int64()),
    "float": ("DOUBLE", pa.float64()),
}
_COLUMNS: Final = ", ".join(f'"{field.name}" {_TYPES[str(field.type)][0]} NOT NULL' for field in fields(ChunkRecord))
_SCHEMA: Final = pa.schema([(field.name, _TYPES[str(field.type)][1]) for field in fields(ChunkRecord)])

_TABLE: Final = f"{sql.ALIAS}.chunks"
_IS_THERE: Final = f"SELECT 1 FROM duckdb_tables() WHERE database_name = '{sql.ALIAS}' AND table_name = 'chunks'"
_MAKE: Final = f"CREATE TABLE IF NOT EXISTS {_TABLE} ({_COLUMNS})"
_INSIDE: Final = "start >= ? AND start < ?"
_READ: Final = f"SELECT {_NAMES} FROM {_TABLE} WHERE {_INSIDE} ORDER BY start, resolution"
_FORGET: Final = f"DELETE FROM {_TABLE} WHERE {_INSIDE}"
_REPLACE: Final = (
    f"DELETE FROM {_TABLE} AS held USING incoming WHERE held.resolution = incoming.resolution "
    "AND held.start = incoming.start"
)
_INSERT: Final = f"INSERT INTO {_TABLE} SELECT {_NAMES} FROM incoming"


class DuckDBChunks:
    """Records in a DuckDB file, leases in a folder beside it.

    Parameters
    ----------
    broker
        The way to the file; the stores may share it.
    patience
        Seconds to wait for somebody else's lease.
    """

    def __init__(self, broker: Broker, patience: float) -> None:
        self._broker = broker
        self._patience = patience
        self._folder = broker.path.with_name(broker.path.name + FOLDER_SUFFIX)

    def records(self, span: Span = EVER) -> Sequence[ChunkRecord]:
        """Return the records of the chunks that start in a span."""
        if not self._broker.exists:
            return []
        with self._broker.session() as session:
            rows = session.rows(_READ, (span.start, span.stop)) if session.rows(_IS_THERE) else []
        return [ChunkRecord(*row) for row in rows]

    def mark(self, records: Iterable[ChunkRecord]) -> None:
        """Record chunks, all of them or none."""
        at = Nanos(int(time.time() * SECOND))
        latest = {(record.resolution, record.start): record for record in records}
        rows = [astuple(replace(record, at=at, error=shortened(record.error))) for record in latest.values()]
        if not rows:
            return
        columns = [pa.array(values, field.type) for values, field in zip(zip(*rows, strict=True), _SCHEMA, strict=True)]
        with self._broker.session() as session, session.transaction():
            session.rows(_MAKE)
            with session.incoming(pa.table(columns, schema=_SCHEMA)):
                session.changed(_REPLACE)
                session.changed(_INSERT)

    def forget(self, span: Span) -> None:
        """Leave nothing recorded of the chunks that start in a span."""
        if not self._broker.exists:
            return
        with self._broker.session() as session, session.transaction():
            _forget(session, span)

    @contextmanager
    def lease(self, resolutions: Iterable[str], span: Span) -> Iterator[Check]:
        """Hold a range at some resolutions among the processes and threads of this machine.

        Raises
        ------
        MachineError
            The locks cannot be written.
        """
        until = time.monotonic() + self._patience
        with ExitStack() as stack:
            with machine_errors("lock bars", self._folder):
                self._folder.mkdir(parents=True, exist_ok=True)
                for key in days_held(resolutions, span):
                    self._take(stack, key, until)
            yield always_ours

    def _take(self, stack: ExitStack, key: tuple[str, str], until: float) -> None:
        lock, pauses = FileLock(_lock_file(self._folder, key), thread_local=False), delays()
        while True:
            try:
                lock.acquire(blocking=False)
            except Timeout:
                if time.monotonic() >= until:
                    raise busy(key, "another process or thread", self._patience) from None
                time.sleep(next(pauses))
            else:
                stack.callback(lock.release)
                return


def _forget(session: Session, span: Span) -> None:
    if session.rows(_IS_THERE):
        session.changed(_FORGET, (span.start, span.stop))


def _lock_file(folder: Path, key: tuple[str, str]) -> Path:
    return folder / f"{key[0]} {key[1]}.lock"
