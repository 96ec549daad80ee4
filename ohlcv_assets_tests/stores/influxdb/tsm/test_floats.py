"""The doubles of a block."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from ohlcv_assets.stores.influxdb.tsm import floats
from ohlcv_assets_tests.stores.influxdb.tsm.made import doubles, fixed, room, words_of_bytes

pytestmark = [pytest.mark.unit, pytest.mark.kernels]

NAN = 0x7FF8000000000001


@pytest.fixture(autouse=True)
def _wrapping() -> object:
    """Let words wrap silently where they are not compiled."""
    with np.errstate(over="ignore"):
        yield


def bits_of(values: list[float]) -> list[int]:
    """Return the bits of doubles."""
    return list(map(int, np.array(values, np.float64).view(np.uint64)))


def encoded(words: list[int]) -> bytes:
    """Encode the bits of doubles, with others around them that are none of theirs."""
    out, room_words = room()
    around = fixed([7, *words, 9], np.uint64)
    return out[: floats.encode(around, 1, len(words) + 1, room_words, 0)].tobytes()


def decoded(data: bytes, count: int) -> list[int] | None:
    """Decode to the bits of doubles; None where there are not exactly so many."""
    out = np.zeros(count + 2, np.uint64)
    whole = floats.decode(words_of_bytes(data), 0, len(data), out, 1, count)
    assert out[0] == out[-1] == 0
    return list(map(int, out[1:-1])) if whole else None


def written(*parts: tuple[int, int]) -> bytes:
    """Return bits, each part a number and its width, filled up with zeros to whole bytes."""
    text = "".join(f"{number:0{width}b}" for number, width in parts)
    text += "0" * (-len(text) % 8)
    return b"\x10" + int(text, 2).to_bytes(len(text) // 8)


def test_bits_are_as_published() -> None:
    """The first double whole, a zero for an equal one, windows new and old, and a NaN at the end."""
    one, two = bits_of([1.0, 2.0])
    assert encoded([one]) == written((one, 64), (0b11, 2), (1, 5), (63, 6), (NAN ^ one, 63))
    body = ((one, 64), (0, 1), (0b11, 2), (1, 5), (11, 6), ((one ^ two) >> 52, 11), (0b10, 2), ((one ^ two) >> 52, 11))
    end = ((0b11, 2), (1, 5), (63, 6), (NAN ^ one, 63))
    assert encoded([one, one, two, one]) == written(*body, *end)
    assert decoded(written(*body, *end), 4) == [one, one, two, one]
    assert decoded(written(*body), 4) is None


@settings(deadline=None, max_examples=40)
@given(values=doubles())
def test_round_trip(values: list[float]) -> None:
    """Any finite doubles read back bit for bit: zeros of both signs, subnormals, the largest."""
    words = bits_of(values)
    assert decoded(encoded(words), len(words)) == words


@pytest.mark.parametrize("equal", range(20))
def test_runs_of_equal_doubles(equal: int) -> None:
    """However many bits wait for a byte to be full, what follows is right."""
    words = bits_of([187.15] * equal + [187.16, 187.15])
    assert decoded(encoded(words), len(words)) == words


@pytest.mark.parametrize("low", [0, 1, 20, 31, 32, 33, 52, 62, 63])
@pytest.mark.parametrize("high", [0, 5, 30, 31, 32, 40, 63])
def test_windows_of_every_width(low: int, high: int) -> None:
    """Bits that differ anywhere, few or many, read back."""
    mask = (1 << high + 1) - 1 ^ (1 << min(low, high)) - 1
    words = [2**62 - 1, 2**62 - 1 ^ mask, 2**62 - 1, 2**62 - 1 ^ mask >> 1, 2**62 - 1]
    assert decoded(encoded(words), len(words)) == words


def test_a_window_is_left_when_a_new_one_is_shorter() -> None:
    """After one double far from the others, those near each other take few bits again."""
    near = bits_of([100.0 + step / 64 for step in range(200)])
    far = bits_of([1e-300 / 3])
    assert len(encoded([*near[:100], *far, *near[100:]])) < len(encoded(near)) + 40


@pytest.mark.parametrize("values", [[1.0], [1.0, 1.0, 1.0], [1.0, 2.5, 1e300, 0.1]])
def test_another_number_of_values(values: list[float]) -> None:
    """More or fewer doubles than there should be are refused, and so are bytes cut short."""
    data = encoded(bits_of(values))
    assert decoded(data, len(values) + 1) is None
    assert len(values) == 1 or decoded(data, len(values) - 1) is None
    assert decoded(data[:8], len(values)) is None
    assert decoded(data[:9], len(values)) is None
    assert decoded(data[:-2], len(values)) is None
    assert decoded(b"\x20" + data[1:], len(values)) is None


def test_windows_without_sense() -> None:
    """A window before there is one, and one that is too wide, are refused."""
    assert decoded(written((1, 64), (0b10, 2), (0, 30)), 2) is None
    assert decoded(written((1, 64), (0b11, 2), (31, 5), (34, 6), (0, 34)), 2) is None


def test_the_widest_window() -> None:
    """A window of all 64 bits has its width written as none."""
    data = written((1, 64), (0b11, 2), (0, 5), (0, 6), (1 ^ NAN, 64))
    assert decoded(data, 1) == [1]
