"""Small numbers packed into words."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.stores.influxdb.tsm import simple8b
from ohlcv_assets_tests.stores.influxdb.tsm.made import room, words_of_bytes

pytestmark = [pytest.mark.unit, pytest.mark.kernels]

CHOICES = [(60, 1), (30, 2), (20, 3), (15, 4), (12, 5), (10, 6), (8, 7), (7, 8), (6, 10), (5, 12), (4, 15), (3, 20)]
CHOICES += [(2, 30), (1, 60)]


def packed(values: list[int]) -> bytes:
    """Pack numbers."""
    out, words = room()
    return out[: simple8b.pack(np.array(values, np.uint64), len(values), words, 0)].tobytes()


def unpacked(data: bytes) -> list[int]:
    """Unpack all numbers there are."""
    words = words_of_bytes(data)
    out = np.zeros(simple8b.count_packed(words, 0, len(data)) + 2, np.uint64)
    simple8b.unpack(words, 0, len(data), out, 1)
    assert out[0] == out[-1] == 0
    return list(map(int, out[1:-1]))


def greedy(values: list[int]) -> list[int]:
    """Return the selector of each word, found the plain way: the choice that takes most of what is left."""
    found = []
    while values:
        ones = next((run for run in (240, 120) if values[:run] == [1] * run), 0)
        if ones:
            found.append(0 if ones == 240 else 1)
        else:
            ones = next(n for n, bits in CHOICES if n <= len(values) and max(values[:n]) < 1 << bits)
            found.append(2 + [n for n, _ in CHOICES].index(ones))
        values = values[ones:]
    return found


def test_words_are_as_published() -> None:
    """The selector stands on top, the first number lowest, and words are written with the highest byte first."""
    assert packed([5]) == (0xF << 60 | 5).to_bytes(8)
    assert packed([3, 2**29]) == (0xE << 60 | 2**29 << 30 | 3).to_bytes(8)
    assert packed([1] * 360) == bytes(8) + (1 << 60).to_bytes(8)
    assert packed([]) == b""


@settings(deadline=None, max_examples=40)
@given(
    parts=st.lists(
        st.one_of(
            st.lists(st.integers(0, 2**60 - 1), max_size=20),
            st.builds(
                lambda width, seeds: [seed % 2**width for seed in seeds],
                st.integers(1, 60),
                st.lists(st.integers(0, 2**60)),
            ),
            st.builds(lambda times: [1] * times, st.integers(0, 500)),
        ),
        max_size=6,
    )
)
def test_round_trip_by_the_widest_choices(parts: list[list[int]]) -> None:
    """Any numbers read back, and each word takes as many as it can hold."""
    values = list(chain.from_iterable(parts))
    data = packed(values)
    assert unpacked(data) == values
    assert [data[place] >> 4 for place in range(0, len(data), 8)] == greedy(values)


@pytest.mark.parametrize(("count", "bits"), CHOICES)
def test_each_choice(count: int, bits: int) -> None:
    """The largest numbers of a width fill one word exactly; one that is wider sends what is before it ahead."""
    largest = 2**bits - 1
    assert len(packed([largest] * count)) == 8
    assert unpacked(packed([largest] * count)) == [largest] * count
    mixed = [largest] * (count - 1) + [min(2 * largest + 1, 2**60 - 1)] + [0] * 3
    assert unpacked(packed(mixed)) == mixed


def test_half_a_word_is_no_number() -> None:
    """Bytes that are no whole words hold nothing."""
    assert simple8b.count_packed(words_of_bytes(bytes(12)), 0, 12) == -1
