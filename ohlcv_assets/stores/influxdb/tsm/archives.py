"""TSM files on their way to and from a server: in a tar.

What belongs here: the tar, as the API of backup and restore has it. What does not: the API itself.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator
from mmap import mmap
from typing import IO, Final, cast

from ohlcv_assets.errors import StoreError
from ohlcv_assets.stores.influxdb.tsm.decoding import Data
from ohlcv_assets.stores.influxdb.tsm.encoding import TsmFile

_BLOCK: Final = tarfile.BLOCKSIZE
_END: Final = bytes(2 * _BLOCK)


def packed(files: Iterable[tuple[str, TsmFile]]) -> Iterator[bytes]:
    """Yield a tar of named files, piece by piece: what a restore of a shard takes."""
    for name, file in files:
        head = tarfile.TarInfo(name)
        head.size = file.size
        yield head.tobuf(tarfile.USTAR_FORMAT)
        yield from file.chunks
        yield bytes(-file.size % _BLOCK)
    yield _END


def unpacked(data: Data) -> dict[str, memoryview]:
    """Return the files of a tar by path, without copying them: what a backup of a shard gives.

    Raises
    ------
    StoreError
        It is no tar, or an incomplete one.
    """
    view = memoryview(data)
    found: dict[str, memoryview] = {}
    opened = data if isinstance(data, mmap) else io.BytesIO(data)
    try:
        with tarfile.open(fileobj=cast("IO[bytes]", opened), mode="r:") as archive:
            for member in archive:
                if member.isfile():
                    found[member.name] = view[member.offset_data : member.offset_data + member.size]
            end = archive.offset
    except (tarfile.TarError, ValueError) as error:
        # Where it ends too early a mapping cannot be sought in.
        raise StoreError("The backup of a shard is no tar, or an incomplete one.") from error
    if bytes(view[end : end + _BLOCK]) != bytes(_BLOCK):
        raise StoreError("The backup of a shard is no tar, or an incomplete one.")
    return found
