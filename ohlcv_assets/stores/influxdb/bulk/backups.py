"""Every stored trade, from the files of its shard.

What belongs here: fetching shards' files and keeping them for a while. What does not: reading files (``tsm``),
comparing (``verify``).

A backup is kept in a temporary file and mapped into memory, so that its size costs disk and not memory. It serves all
days of its shard until another shard is asked for, or until somebody asks for a new one: what it lacks may have come
since, or may not have left the cache yet, which a server that is busy with that leaves out.

A new one need not bring again what an earlier one brought, where none of that touches the range that is asked about.
Then only what changed since is fetched, and every point that is found comes from what the server gives now
(docs/decisions/0009 says why nothing is overlooked).
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from ohlcv_assets.stores.influxdb.bulk.api import BackupApi
from ohlcv_assets.stores.influxdb.bulk.shards import Shard, Shards
from ohlcv_assets.stores.influxdb.tsm.archives import unpacked
from ohlcv_assets.stores.influxdb.tsm.columns import trade_batches
from ohlcv_assets.stores.influxdb.tsm.merging import ShardFiles


@dataclass(frozen=True, slots=True)
class _Kept:
    """Files of a shard; ``date`` is of the server's clock, cut to the second, and before any of them was asked for."""

    files: ShardFiles
    date: float


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
        self._kept: dict[int, _Kept] = {}
        self._asked: tuple[int, int] | None = None

    def trades(self, start: int, end: int, *, afresh: bool) -> Iterator[pa.RecordBatch]:
        """Yield the ``STORED`` trades with ``start <= ts < end``, sorted by (symbol, ts).

        Parameters
        ----------
        start, end
            Nanoseconds UTC.
        afresh
            Whether what was fetched before may not be used for this range.

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
        touched = self._shards.touching(start, end)
        if afresh or not all(shard.id in self._kept for shard in touched):
            # What is not needed any more goes before something else comes.
            self._kept = {shard.id: self._kept[shard.id] for shard in touched if shard.id in self._kept}
        for shard in touched:
            before = self._kept.get(shard.id)
            if before is None or afresh:
                # What touches the range may be other by now, and who asks twice has found something wrong.
                again = self._asked == (start, end)
                going_on = before is not None and not again and not before.files.touch(start, end)
                self._kept.pop(shard.id, None)
                self._kept[shard.id] = self._fetched(shard, before if going_on else None)
        self._asked = (start, end)
        yield from trade_batches([self._kept[shard.id].files for shard in touched], start, end)

    def forget(self) -> None:
        """Give back what is kept."""
        self._shards, self._kept, self._asked = None, {}, None

    def _fetched(self, shard: Shard, before: _Kept | None) -> _Kept:
        """Return the files of a shard, beside those of before what changed since; none where it has gone."""
        date = self._api.connection.server_time()
        with tempfile.TemporaryFile(prefix="ohlcv-backup-") as file:
            if not self._api.download(shard.id, file, None if before is None else before.date):
                return _Kept(ShardFiles({}), date)
            # The mapping keeps the file's content after it is closed.
            members = unpacked(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        return _Kept(ShardFiles(members, None if before is None else before.files), date)
