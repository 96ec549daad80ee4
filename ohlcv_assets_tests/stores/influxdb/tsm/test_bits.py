"""Machine words."""

from __future__ import annotations

import zlib
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.stores.influxdb.tsm import bits
from ohlcv_assets.stores.influxdb.tsm.bits import words_of
from ohlcv_assets_tests.stores.influxdb.tsm.made import room, words_of_bytes

pytestmark = [pytest.mark.unit, pytest.mark.kernels]

WORDS = [1, 2, 3, 0x80, 0x0102030405060708, 2**31, 2**32, 2**63, 2**64 - 1]


def answers(word: np.uint64) -> tuple[np.uint64, np.uint64, np.uint64]:
    """Return what is made of a word."""
    return bits.leading_zeros(word), bits.trailing_zeros(word), bits.swapped(word)


COMPILED: Any = numba.njit(answers)
"""Any: numba's types. Not kept on disk, so that a run compiles the instructions at least once."""


@pytest.mark.parametrize("word", WORDS)
def test_instructions_count_and_turn(word: int) -> None:
    """Zeros are counted and bytes turned round as arithmetic would have it, compiled or not."""
    expected = (64 - word.bit_length(), f"{word:064b}"[::-1].index("1"), int.from_bytes(word.to_bytes(8), "little"))
    given_word = np.uint64(word)
    assert tuple(map(int, answers(given_word))) == expected
    assert tuple(map(int, COMPILED(given_word))) == expected


@settings(deadline=None, max_examples=40)
@given(data=st.binary(max_size=200), before=st.integers(0, 20))
def test_checksum(data: bytes, before: int) -> None:
    """The checksum is the one that everybody computes, wherever the bytes begin and however many they are."""
    words = words_of_bytes(bytes(before) + data)
    assert bits.crc32(words, before, before + len(data)) == zlib.crc32(data)


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**32, 2**63, 2**64 - 1])
def test_numbers_of_any_length(value: int) -> None:
    """A number takes a byte for each seven bits, and reads back with its end."""
    out, words = room(100)
    end = bits.put_varint(np.uint64(value), words, 3)
    assert end - 3 == max(1, -(-value.bit_length() // 7))
    found, stop = bits.take_varint(words, 3, end)
    assert (int(found), stop) == (value, end)
    assert out[end - 1] < 0x80


def test_numbers_cut_short() -> None:
    """A number that does not end before the bytes do, or never, is told from any other."""
    words = words_of(b"\x80" * 40)
    assert bits.take_varint(words, 0, 2)[1] == 3
    assert bits.take_varint(words, 0, 0)[1] == 1
    assert bits.take_varint(words, 0, 30)[1] == 31
