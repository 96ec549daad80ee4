"""Datasets: a folder each, with its universe, its days, and for imported ones the record of where they came from.

What belongs here: what a dataset is, reading and writing ``dataset.json``, an imported dataset as a source. What does
not: importing (``importing``), stores and settings.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import pyarrow as pa

from ohlcv_assets.errors import DatasetError, MissingDayFileError, OutsideDatasetError
from ohlcv_assets.lake.atomic import restore_folder
from ohlcv_assets.lake.dayfile import REPLACE
from ohlcv_assets.lake.lake import Lake
from ohlcv_assets.lake.machine import machine_errors
from ohlcv_assets.market.schema import SCHEMA_VERSION
from ohlcv_assets.market.symbols import Universe
from ohlcv_assets.market.universe import load_universe
from ohlcv_assets.progress import Observer, Progress
from ohlcv_assets.sources.base import TradeSource
from ohlcv_assets.units import days_between

RECORD: Final = "dataset.json"
UNIVERSE: Final = "universe.toml"
TRADES_FOLDER: Final = "trades"
_RECORD_VERSION: Final = 1


@dataclass(frozen=True)
class FiledDay:
    """What the import record says of a day: trades per symbol (zeros left out), content hash, size of the file."""

    counts: Mapping[str, int]
    content_hash: str
    bytes: int


@dataclass(frozen=True)
class Dataset:
    """A dataset.

    Attributes
    ----------
    name
        Its name.
    root
        Its folder.
    universe
        Its symbols.
    days
        Every day from its first to its last.
    kind
        Generated, or imported from files.
    import_digest
        For an imported dataset: what its content depends on (files, formats, mapping).
    record
        For an imported dataset: its days.
    """

    name: str
    root: Path
    universe: Universe
    days: tuple[dt.date, ...]
    kind: Literal["synthetic", "imported"]
    import_digest: str = ""
    record: Mapping[dt.date, FiledDay] = field(default_factory=dict)

    @cached_property
    def lake(self) -> Lake:
        """Its day files."""
        return Lake(self.root / TRADES_FOLDER, _remedy(self.name) if self.kind == "imported" else REPLACE)


def _remedy(name: str) -> str:
    """Return what to do about an imported day that is of no use: only the files it came from can bring it back."""
    return f"import the dataset {name!r} again with --force"


def dataset_folder(data_dir: Path, name: str) -> Path:
    """Return the folder of a dataset."""
    return data_dir / "datasets" / name


def list_datasets(data_dir: Path) -> tuple[str, ...]:
    """Return the names of the imported datasets, in order."""
    folder = data_dir / "datasets"
    return tuple(
        sorted(path.parent.name for path in folder.glob(f"*/{RECORD}") if not path.parent.name.startswith("."))
    )


def synthetic_dataset(data_dir: Path, name: str, universe: Universe, days: tuple[dt.date, ...]) -> Dataset:
    """Return a generated dataset; its settings are its record.

    Raises
    ------
    DatasetError
        An imported dataset has that name.
    """
    root = dataset_folder(data_dir, name)
    if (root / RECORD).exists():
        raise DatasetError(
            f"The dataset {name!r} at {root} was imported: it cannot be generated as well; choose another."
        )
    return Dataset(name, root, universe, days, "synthetic")


def imported_dataset(data_dir: Path, name: str) -> Dataset:
    """Load an imported dataset; reads two small files only.

    Raises
    ------
    DatasetError
        There is none of that name, or its record cannot be read.
    MachineError
        The machine does not let us read it.
    """
    root = dataset_folder(data_dir, name)
    path = root / RECORD
    with machine_errors(f"read the dataset {name}", path):
        restore_folder(root)
        if not path.is_file():
            known = ", ".join(list_datasets(data_dir)) or "none"
            raise DatasetError(
                f"There is no imported dataset {name!r} in {data_dir} (there are: {known}): import one with "
                f"`ohlcv import PATH... --dataset {name}`."
            )
        text = path.read_text(encoding="utf-8")
    try:
        return _dataset(name, root, json.loads(text))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise DatasetError(
            f"The record {path} cannot be read ({error}): import the dataset again with --force."
        ) from error


def _dataset(name: str, root: Path, record: dict[str, Any]) -> Dataset:  # Any: JSON, judged by reading it
    if record["version"] != _RECORD_VERSION:
        raise ValueError(f"it is of version {record['version']}, this is version {_RECORD_VERSION}")
    days = {
        dt.date.fromisoformat(day): FiledDay(entry["counts"], entry["content_hash"], entry["bytes"])
        for day, entry in record["days"].items()
    }
    span = days_between(dt.date.fromisoformat(record["first"]), dt.date.fromisoformat(record["last"]))
    if tuple(days) != span:
        raise ValueError("its days do not run from its first to its last")
    return Dataset(name, root, load_universe(root / UNIVERSE), span, "imported", record["import"], days)


def record_text(
    name: str, import_digest: str, days: Mapping[dt.date, FiledDay], report: Mapping[str, Any]
) -> str:  # Any: JSON values
    """Return the text of ``dataset.json``.

    Parameters
    ----------
    name
        The dataset's.
    import_digest
        See ``Dataset``.
    days
        Every day from first to last, in order, at least one.
    report
        The import report, kept for the reader; nothing depends on it.
    """
    listed = list(days)
    record = {
        "version": _RECORD_VERSION,
        "name": name,
        "kind": "imported",
        "first": listed[0].isoformat(),
        "last": listed[-1].isoformat(),
        "universe": UNIVERSE,
        "import": import_digest,
        "days": {
            day.isoformat(): {"counts": filed.counts, "content_hash": filed.content_hash, "bytes": filed.bytes}
            for day, filed in days.items()
        },
        "report": report,
    }
    return json.dumps(record, indent=1, ensure_ascii=False) + "\n"


def import_fingerprint(import_digest: str, universe: Universe) -> dict[str, str]:
    """Return the fingerprint of every day file of an import."""
    return {
        "source": "import",
        "schema": str(SCHEMA_VERSION),
        "import": import_digest,
        "universe": universe.digest,
    }


class FiledSource(TradeSource):
    """An imported dataset as a source: its trades are in its day files already."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset

    @property
    def universe(self) -> Universe:
        """Symbols of the dataset."""
        return self._dataset.universe

    @property
    def days(self) -> tuple[dt.date, ...]:
        """Every day of the dataset."""
        return self._dataset.days

    def counts(self, day: dt.date) -> Mapping[str, int]:
        """Return the recorded trades of a day per symbol, zeros included."""
        counts = self._filed(day).counts
        return {name: counts.get(name, 0) for name in self.universe.names}

    def first_ids(self, day: dt.date) -> Mapping[str, int]:
        """Return the id of each symbol's first trade that day: how many the record has before it."""
        self._filed(day)
        before: Counter[str] = Counter()
        for earlier in self.days[: self.days.index(day)]:
            before.update(self._filed(earlier).counts)
        return {name: before[name] for name in self.universe.names}

    def content_hash(self, day: dt.date) -> str:
        """Return the recorded content hash of a day."""
        return self._filed(day).content_hash

    def fingerprint(self, day: dt.date) -> Mapping[str, str]:
        """Return what the day's content depends on: the files it was imported from."""
        self._filed(day)
        return import_fingerprint(self._dataset.import_digest, self.universe)

    def batches(self, day: dt.date, observer: Observer) -> Iterator[pa.RecordBatch]:
        """Yield the day's trades from its file.

        Raises
        ------
        MissingDayFileError
            The file is gone: only importing again brings it back.
        """
        total = sum(self._filed(day).counts.values())
        done = 0
        try:
            for batch in self._dataset.lake.batches(day):
                done += batch.num_rows
                yield batch
                observer(Progress("read", day.isoformat(), done, total, "trades"))
        except MissingDayFileError as error:
            raise MissingDayFileError(
                f"The day file of {day} is missing at {self._dataset.lake.path(day)}, and only the files it came from "
                f"can bring it back: {_remedy(self._dataset.name)}."
            ) from error

    def _filed(self, day: dt.date) -> FiledDay:
        filed = self._dataset.record.get(day)
        if filed is None:
            raise OutsideDatasetError(
                f"The dataset {self._dataset.name!r} has no {day}: it runs from {self.days[0]} to {self.days[-1]}."
            )
        return filed
