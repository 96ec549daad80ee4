"""The timestamps of a block."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from ohlcv_assets.stores.influxdb.tsm import timestamps
from ohlcv_assets_tests.stores.influxdb.tsm.made import FIRST, LAST, fixed, instants, room, words_of_bytes

pytestmark = [pytest.mark.unit, pytest.mark.kernels]


@pytest.fixture(autouse=True)
def _wrapping() -> object:
    """Let words wrap silently where they are not compiled."""
    with np.errstate(over="ignore"):
        yield


def encoded(ts: list[int]) -> bytes:
    """Encode instants, with others around them that are none of theirs."""
    out, words = room()
    around = fixed([7, *ts, 9])
    return out[: timestamps.encode(around, 1, len(ts) + 1, np.empty(len(ts), np.uint64), words, 0)].tobytes()


def decoded(data: bytes) -> list[int]:
    """Decode instants."""
    words = words_of_bytes(data)
    count = timestamps.count_points(words, 0, len(data))
    out = np.zeros(count + 2, np.uint64)
    timestamps.decode(words, 0, len(data), out, 1, count)
    assert out[0] == out[-1] == 0
    return list(map(int, out[1:-1].view(np.int64)))


def test_bytes_are_as_the_server_writes_them() -> None:
    """Runs, packed steps and raw steps, scaled by the power of ten that they have in common."""
    start = 1_704_205_800_000_000_000
    assert encoded([start]) == b"\x1c" + start.to_bytes(8)
    assert encoded([start, start + 2_000]) == b"\x23" + start.to_bytes(8) + b"\x02\x02"
    assert encoded([0, 10, 20, 30]) == b"\x21" + bytes(8) + b"\x01\x04"
    assert encoded([0, 1_000, 3_000]) == b"\x13" + bytes(8) + (0xE << 60 | 2 << 30 | 1).to_bytes(8)
    assert encoded([0, 1, 2 + 2**60]) == b"\x00" + bytes(8) + (1).to_bytes(8) + (1 + 2**60).to_bytes(8)
    assert encoded([0, 3, 3 + 10**13])[0] == 0x10


@settings(deadline=None, max_examples=40)
@given(ts=instants())
def test_round_trip(ts: list[int]) -> None:
    """Any instants that InfluxDB can hold read back."""
    assert decoded(encoded(ts)) == ts


def test_the_farthest_instants() -> None:
    """The first and the last instant there are, with and without one between."""
    for ts in ([FIRST, LAST], [FIRST, 0, LAST], [FIRST, FIRST + 1, LAST], [LAST], [FIRST]):
        assert decoded(encoded(ts)) == ts


@pytest.mark.parametrize("power", range(13))
def test_every_power_of_ten(power: int) -> None:
    """Steps are divided by the largest power of ten in all of them, up to the twelfth."""
    steps = [0, 7, 20, 31]
    ts = [step * 10**power for step in steps]
    assert encoded(ts)[0] == 0x10 | power
    assert decoded(encoded(ts)) == ts


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(8),
        bytes(10),
        b"\x10" + bytes(10),
        b"\x20" + bytes(8),
        b"\x20" + bytes(8) + b"\x01\x00",
        b"\x20" + bytes(8) + b"\x01\x02\x03",
        b"\x20" + bytes(8) + b"\x01" + b"\xff" * 6,
        b"\x20" + bytes(8) + b"\x01\xff\xff\xff\x7f",
        b"\x30" + bytes(8),
    ],
)
def test_bytes_without_sense(data: bytes) -> None:
    """What cannot be timestamps is told from any number of them."""
    assert timestamps.count_points(words_of_bytes(data), 0, len(data)) == -1
