"""A day file as its footer describes it.

What belongs here: the footer's keys, reading and judging them. What does not: writing (``writer``), reading trades
(``lake``).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from ohlcv_assets.errors import (
    DamagedDayFileError,
    ForeignDayFileError,
    MissingDayFileError,
    StaleDayFileError,
)
from ohlcv_assets.lake.machine import machine_errors
from ohlcv_assets.market.schema import SCHEMA_VERSION, TRADES

_PREFIX: Final = "ohlcv."
_KEYS: Final = ("day", "schema_version", "fingerprint", "content_hash", "counts", "row_groups")
_MAGIC: Final = b"PAR1"

REPLACE: Final = "replace it with --force"
"""What to do about a file that can be made again."""


@dataclass(frozen=True)
class DayFile:
    """What the footer of a day file says.

    Attributes
    ----------
    day
        The UTC day.
    path
        Where the file is.
    rows
        Trades in all.
    counts
        Trades per symbol, in file order; symbols without any are left out.
    bytes
        Size of the file.
    content_hash
        See ``lake.hashing``.
    fingerprint
        What the content was made from.
    row_groups
        The symbol of each row group, in order.
    """

    day: dt.date
    path: Path
    rows: int
    counts: Mapping[str, int]
    bytes: int
    content_hash: str
    fingerprint: Mapping[str, str]
    row_groups: tuple[str, ...]


def footer(
    day: dt.date,
    fingerprint: Mapping[str, str],
    content_hash: str,
    counts: Mapping[str, int],
    row_groups: tuple[str, ...],
) -> dict[str, str]:
    """Return the key-value metadata of a day file, sealed with a digest so that a damaged value is noticed."""
    values = {
        "day": day.isoformat(),
        "schema_version": str(SCHEMA_VERSION),
        "fingerprint": json.dumps(dict(fingerprint), sort_keys=True),
        "content_hash": content_hash,
        "counts": json.dumps(dict(counts)),
        "row_groups": json.dumps(row_groups),
    }
    values["seal"] = _seal(values)
    return {_PREFIX + key: value for key, value in values.items()}


def inspect(path: Path, day: dt.date, remedy: str = REPLACE) -> DayFile:
    """Read the footer of a day file, and nothing else.

    Parameters
    ----------
    path, day
        Where it is, and which day's it should be.
    remedy
        What to do about a file that is of no use, for the errors.

    Raises
    ------
    MissingDayFileError
        There is no such file.
    DamagedDayFileError
        It cannot be read, or its footer contradicts itself.
    ForeignDayFileError
        It is no Parquet file, or one that this project did not write for that day.
    StaleDayFileError
        Its schema is another version's.
    MachineError
        The machine does not let us read it.
    """
    with machine_errors(f"read the day file of {day}", path):
        if not path.exists():
            raise MissingDayFileError(
                f"There is no day file for {day} (looked for {path}): make it with `ohlcv backfill`, or for an "
                "imported dataset with `ohlcv import`."
            )
        if not path.is_file():
            raise ForeignDayFileError(f"{path} is not a file: move it away.")
        size = path.stat().st_size
        metadata = _metadata(path, remedy)
    raw = {key.decode("utf-8", "replace"): value for key, value in (metadata.metadata or {}).items()}
    if _PREFIX + "seal" not in raw:
        raise ForeignDayFileError(
            f"{path} is a Parquet file that this project did not write: move it away, or {remedy}."
        )
    with damage(path, remedy):
        return _day_file(path, day, size, raw, metadata, remedy)


@contextmanager
def damage(path: Path, remedy: str) -> Iterator[None]:
    """Turn whatever a broken file makes its reader raise into a ``DamagedDayFileError`` with path and remedy."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, LookupError, TypeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        detail = str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
        raise DamagedDayFileError(f"{path} is damaged ({detail}): {remedy}.") from error


def _metadata(path: Path, remedy: str) -> pq.FileMetaData:
    with path.open("rb") as file:
        start = file.read(len(_MAGIC))
    if start and start != _MAGIC:
        raise ForeignDayFileError(f"{path} is not a Parquet file: move it away, or {remedy}.")
    with damage(path, remedy):
        return pq.read_metadata(path)


def _day_file(
    path: Path, day: dt.date, size: int, raw: Mapping[str, bytes], metadata: pq.FileMetaData, remedy: str
) -> DayFile:
    values = {key: raw[_PREFIX + key].decode() for key in _KEYS}
    if raw[_PREFIX + "seal"].decode() != _seal(values):
        raise ValueError("its footer does not match its own seal")  # damage() says where and what to do
    if values["day"] != day.isoformat():
        raise ForeignDayFileError(f"{path} holds {values['day']}, not {day}: move it where it belongs, or {remedy}.")
    if values["schema_version"] != str(SCHEMA_VERSION):
        raise StaleDayFileError(
            f"{path} is of schema version {values['schema_version']}, this is version {SCHEMA_VERSION}: {remedy}."
        )
    counts: dict[str, int] = json.loads(values["counts"])
    row_groups: list[str] = json.loads(values["row_groups"])
    rows = sum(counts.values())
    if metadata.num_rows != rows or metadata.num_row_groups != len(row_groups):
        raise ValueError(f"its footer promises {rows} trades and Parquet counts {metadata.num_rows}")
    held: Counter[str] = Counter()
    for at, symbol in enumerate(row_groups):
        held[symbol] += metadata.row_group(at).num_rows
    if held != counts:
        raise ValueError("its row groups do not hold the trades that its footer promises")
    if not metadata.schema.to_arrow_schema().equals(TRADES):
        raise ValueError("its columns are not those of a day file")
    fingerprint: dict[str, Any] = json.loads(values["fingerprint"])  # Any: JSON; written as texts, and sealed
    return DayFile(day, path, rows, counts, size, values["content_hash"], fingerprint, tuple(row_groups))


def _seal(values: Mapping[str, str]) -> str:
    text = "".join(f"{key}={values[key]}\n" for key in _KEYS)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
