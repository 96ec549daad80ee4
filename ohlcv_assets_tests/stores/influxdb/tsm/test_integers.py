"""The whole numbers of a block."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from ohlcv_assets.stores.influxdb.tsm import integers
from ohlcv_assets_tests.stores.influxdb.tsm.made import EXTREMES, fixed, room, words_of_bytes
from ohlcv_assets_tests.stores.influxdb.tsm.made import integers as whole_numbers

pytestmark = [pytest.mark.unit, pytest.mark.kernels]


@pytest.fixture(autouse=True)
def _wrapping() -> object:
    """Let words wrap silently where they are not compiled."""
    with np.errstate(over="ignore"):
        yield


def encoded(values: list[int]) -> bytes:
    """Encode numbers, with others around them that are none of theirs."""
    out, words = room()
    around = fixed([7, *values, 9])
    return out[: integers.encode(around, 1, len(values) + 1, np.empty(len(values), np.uint64), words, 0)].tobytes()


def decoded(data: bytes, count: int) -> list[int] | None:
    """Decode numbers; None where there are not exactly so many."""
    out = np.zeros(count + 2, np.uint64)
    whole = integers.decode(words_of_bytes(data), 0, len(data), out, 1, count)
    assert out[0] == out[-1] == 0
    return list(map(int, out[1:-1].view(np.int64))) if whole else None


def test_bytes_are_as_the_server_writes_them() -> None:
    """Runs, packed and raw differences, with their signs in the lowest bit."""
    assert encoded([-1]) == b"\x10" + (1).to_bytes(8)
    assert encoded([5, 5]) == b"\x10" + (10).to_bytes(8) + (0xF << 60).to_bytes(8)
    assert encoded([5, 4, 3, 2]) == b"\x20" + (10).to_bytes(8) + b"\x01\x03"
    assert encoded([0, 1, -1]) == b"\x10" + bytes(8) + (0xE << 60 | 3 << 30 | 2).to_bytes(8)
    assert encoded([0, 2**59, 2]) == b"\x00" + bytes(8) + (2**60).to_bytes(8) + (2**60 - 5).to_bytes(8)


@settings(deadline=None, max_examples=40)
@given(values=whole_numbers())
def test_round_trip(values: list[int]) -> None:
    """Any whole numbers of 64 bits read back."""
    assert decoded(encoded(values), len(values)) == values


@pytest.mark.parametrize("values", [[7] * 3, [7] * 500, list(range(-9, 9)), [2**62 * step for step in (-2, -1, 0, 1)]])
def test_equal_steps(values: list[int]) -> None:
    """Numbers that go up, down or on in equal steps take a few bytes, however many they are."""
    assert len(encoded(values)) <= 21
    assert decoded(encoded(values), len(values)) == values


def test_the_farthest_numbers() -> None:
    """The smallest and the largest numbers there are, next to each other."""
    assert decoded(encoded(EXTREMES), len(EXTREMES)) == EXTREMES
    assert decoded(encoded(EXTREMES[:1]), 1) == EXTREMES[:1]


@pytest.mark.parametrize("values", [[3], [3, 3, 3], [1, 2, 7], [0, 2**62, 5]])
def test_another_number_of_values(values: list[int]) -> None:
    """More or fewer numbers than there should be are refused, and so are bytes cut short or too long."""
    data = encoded(values)
    assert decoded(data, len(values) + 1) is None
    assert decoded(data + b"\x01", len(values)) is None
    assert decoded(data[:8], len(values)) is None
    assert decoded(b"\x30" + data[1:], len(values)) is None
