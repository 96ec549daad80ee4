"""Files in a tar."""

from __future__ import annotations

import io
import mmap
import tarfile
from pathlib import Path

import pytest

from ohlcv_assets.errors import StoreError
from ohlcv_assets.stores.influxdb.tsm.archives import packed, unpacked
from ohlcv_assets.stores.influxdb.tsm.encoding import FilePlan, TsmFile, trade_files
from ohlcv_assets_tests.stores.influxdb.tsm.made import bytes_of, trades

pytestmark = pytest.mark.unit

FILE = next(trade_files([trades({"A": ([1, 2], [1.0, 2.0], [1.0, 1.0], [1, 1])})], FilePlan()))
FULL = TsmFile((bytes(512),), 512, 1, 1, 1)


def test_round_trip(tmp_path: Path) -> None:
    """Files of any size come out as they went in, in memory or mapped from disk."""
    data = b"".join(packed([("000000001-000000004.tsm", FILE), ("b.tsm", FULL)]))
    assert len(data) % 512 == 0
    for found in (unpacked(data), unpacked(bytearray(data))):
        assert {name: bytes(part) for name, part in found.items()} == {
            "000000001-000000004.tsm": bytes_of(FILE),
            "b.tsm": bytes(512),
        }
    (tmp_path / "tar").write_bytes(data)
    with (tmp_path / "tar").open("rb") as opened:
        assert list(unpacked(mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ))) == [
            "000000001-000000004.tsm",
            "b.tsm",
        ]


def test_others_read_it() -> None:
    """Any reader of tars reads what is sent."""
    with tarfile.open(fileobj=io.BytesIO(b"".join(packed([("x.tsm", FILE)])))) as archive:
        member = archive.extractfile("x.tsm")
        assert member is not None
        assert member.read() == bytes_of(FILE)


def test_folders_are_left_out() -> None:
    """Entries that are no files are passed over."""
    kept = io.BytesIO()
    with tarfile.open(fileobj=kept, mode="w") as archive:
        folder = tarfile.TarInfo("index")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    assert unpacked(kept.getvalue()) == {}


@pytest.mark.parametrize("left", [0, 100, 512, 700, 512 + 512, 2 * 512 + 10])
def test_cut_short(left: int) -> None:
    """An archive that is no whole one is refused, wherever it was cut."""
    data = b"".join(packed([("a.tsm", FULL), ("b.tsm", FULL)]))
    with pytest.raises(StoreError, match="no tar, or an incomplete one"):
        unpacked(data[:left])
    with pytest.raises(StoreError, match="no tar, or an incomplete one"):
        unpacked(b"?" * 1_024)
