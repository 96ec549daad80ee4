"""Every stored trade, from the files of its shard.

What belongs here: fetching shards' files and keeping them for a while. What does not: reading files (``tsm``),
comparing (``verify``).

A backup is kept in a temporary file and mapped into memory, so that its size costs disk and not memory. It serves all
days of its shard until another shard is asked for, or until somebody asks for a new one: what it lacks may have come
since, or may not have left the cache yet, which a server that is busy with that leaves out.
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterator

import pyarrow as pa

from ohlcv_assets.stores.influxdb.bulk.api import BackupApi
from ohlcv_assets.stores.influxdb.bulk.shards import Shard, Shards
from ohlcv_assets.stores.influxdb.tsm.archives import unpacked
from ohlcv_assets.stores.influxdb.tsm.columns import trade_batches
from ohlcv_assets.stores.influxdb.tsm.merging import ShardFiles


class Backups:
    """Backups of the shards of one bucket.

    Parameters
    ----------
    api
        Backup and restore, with the operator's token.
    bucket
        Its name.
    """

    def __init__(self, api: BackupApi, bucket: str) -> None:
        self._api = api
        self._bucket = bucket
        self._shards: Shards | None = None
        self._kept: dict[int, ShardFiles] = {}

    def trades(self, start: int, end: int, *, afresh: bool) -> Iterator[pa.RecordBatch]:
        """Yield the ``STORED`` trades with ``start <= ts < end``, sorted by (symbol, ts).

        Parameters
        ----------
        start, end
            Nanoseconds UTC.
        afresh
            Whether to fetch again what was fetched before.

        Raises
        ------
        StoreMismatchError
            A stored point is no whole trade.
        StoreError
            A file is damaged, or the server did not give it.
        MachineError
            There is no room for a backup.
        """
        if self._shards is None or afresh:
            self._shards = self._api.shards(self._bucket) or Shards(0, ())
            self._kept = {}
        touched = self._shards.touching(start, end)
        if not all(shard.id in self._kept for shard in touched):
            # What is not needed any more goes before something else comes.
            self._kept = {shard.id: self._kept[shard.id] for shard in touched if shard.id in self._kept}
        yield from trade_batches([self._files(shard) for shard in touched], start, end)

    def forget(self) -> None:
        """Give back what is kept."""
        self._shards, self._kept = None, {}

    def _files(self, shard: Shard) -> ShardFiles:
        """Return the files of a shard; none where it has gone."""
        if shard.id not in self._kept:
            self._kept[shard.id] = ShardFiles(self._fetched(shard))
        return self._kept[shard.id]

    def _fetched(self, shard: Shard) -> dict[str, memoryview]:
        with tempfile.TemporaryFile(prefix="ohlcv-backup-") as file:
            if not self._api.download(shard.id, file):
                return {}
            # The mapping keeps the file's content after it is closed.
            return unpacked(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
