"""Machine words: counting zeros, the order of bytes, lengths and checksums.

What belongs here: what every compiled loop of TSM needs. What does not: any of its encodings.

TSM writes numbers with the highest byte first. Loops move them as words of eight bytes, through views of byte arrays
whose elements overlap (``words_of``), and turn them round. What a word writes behind the end of what is meant is
overwritten by what follows; so every array ends in ``SPARE`` bytes.

Words are unsigned throughout, and wrap: compiled code gives a signed and an unsigned word together a float.
"""

from __future__ import annotations

from typing import Any, Final, cast

import numba
import numpy as np
from numba.core.types import boolean, uint64
from numba.extending import intrinsic, overload
from numpy.typing import NDArray

from ohlcv_assets.generate.kernels import Function, compiled
from ohlcv_assets.stores.influxdb.lineprotocol.kernels import SPARE, words_of

__all__ = [
    "SPARE",
    "compiled",
    "crc32",
    "inlined",
    "leading_zeros",
    "put_varint",
    "swapped",
    "take_varint",
    "trailing_zeros",
    "words_of",
]

_WORD: Final = np.uint64
_ONE: Final = _WORD(1)
_POLYNOMIAL: Final = _WORD(0xEDB88320)
_VALUES: Final = 256
_STEP: Final = 16
_LOW: Final = _WORD(0xFF)
_HALF: Final = _WORD(0xFFFFFFFF)
_SEVEN: Final = _WORD(7)
_SEVEN_BITS: Final = _WORD(0x7F)
_MORE: Final = _WORD(0x80)
_MOST_SHIFT: Final = _WORD(63)
_S8, _S16, _S24, _S32, _S40, _S48, _S56 = (_WORD(bits) for bits in range(8, 64, 8))


def inlined(function: Function) -> Function:
    """Compile a helper into its callers: only so may one take arrays for every value without counting references."""
    return cast("Function", numba.njit(cache=True, error_model="numpy", nogil=True, forceinline=True)(function))


def leading_zeros(word: np.uint64) -> np.uint64:
    """Return how many bits above the highest set one are zero; the word is not zero."""
    return _WORD(64 - int(word).bit_length())


def trailing_zeros(word: np.uint64) -> np.uint64:
    """Return how many bits below the lowest set one are zero; the word is not zero."""
    value = int(word)
    return _WORD((value & -value).bit_length() - 1)


def swapped(word: np.uint64) -> np.uint64:
    """Return a word with its bytes in the opposite order."""
    return _WORD(int.from_bytes(int(word).to_bytes(8, "little"), "big"))


# Compiled code gets one instruction for each of the three. Any, here and below: numba publishes no types of these.


def _emit_leading_zeros(_typing: Any, _word: Any) -> Any:
    def emit(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctlz(arguments[0], context.get_constant(boolean, 1))

    return uint64(uint64), emit


def _emit_trailing_zeros(_typing: Any, _word: Any) -> Any:
    def emit(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], context.get_constant(boolean, 1))

    return uint64(uint64), emit


def _emit_swapped(_typing: Any, _word: Any) -> Any:
    def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bswap(arguments[0])

    return uint64(uint64), emit


_leading_zeros: Final[Any] = intrinsic(_emit_leading_zeros)
_trailing_zeros: Final[Any] = intrinsic(_emit_trailing_zeros)
_swapped: Final[Any] = intrinsic(_emit_swapped)

# Lambdas, since numba reads the inner one's body and wants both to have the same parameters, without annotations.
overload(leading_zeros)(lambda _word: lambda _word: _leading_zeros(_word))  # noqa: PLW0108
overload(trailing_zeros)(lambda _word: lambda _word: _trailing_zeros(_word))  # noqa: PLW0108
overload(swapped)(lambda _word: lambda _word: _swapped(_word))  # noqa: PLW0108


def _tables() -> NDArray[np.uint32]:
    """Return what a byte does to a checksum when 0 to 15 bytes follow it, 256 entries for each."""
    tables = np.zeros((_STEP, _VALUES), np.uint64)
    tables[0] = np.arange(_VALUES, dtype=np.uint64)
    for _ in range(8):
        tables[0] = (tables[0] >> _ONE) ^ (_POLYNOMIAL * (tables[0] & _ONE))
    for row in range(1, _STEP):
        tables[row] = (tables[row - 1] >> _S8) ^ tables[0][tables[row - 1] & _LOW]
    return tables.astype(np.uint32)


_T0, _T1, _T2, _T3, _T4, _T5, _T6, _T7, _T8, _T9, _T10, _T11, _T12, _T13, _T14, _T15 = _tables()


@compiled
def crc32(words: NDArray[np.uint64], start: int, end: int) -> np.uint64:
    """Return the CRC-32 of IEEE 802.3 of the bytes ``start <= at < end``, sixteen at a time.

    Parameters
    ----------
    words
        The bytes as ``words_of`` sees them.
    """
    crc = _HALF
    at = start
    while at + _STEP <= end:
        low = words[at] ^ crc
        high = words[at + 8]
        crc = _WORD(
            _T15[low & _LOW]
            ^ _T14[(low >> _S8) & _LOW]
            ^ _T13[(low >> _S16) & _LOW]
            ^ _T12[(low >> _S24) & _LOW]
            ^ _T11[(low >> _S32) & _LOW]
            ^ _T10[(low >> _S40) & _LOW]
            ^ _T9[(low >> _S48) & _LOW]
            ^ _T8[low >> _S56]
            ^ _T7[high & _LOW]
            ^ _T6[(high >> _S8) & _LOW]
            ^ _T5[(high >> _S16) & _LOW]
            ^ _T4[(high >> _S24) & _LOW]
            ^ _T3[(high >> _S32) & _LOW]
            ^ _T2[(high >> _S40) & _LOW]
            ^ _T1[(high >> _S48) & _LOW]
            ^ _T0[high >> _S56]
        )
        at += _STEP
    while at < end:
        crc = _T0[(crc ^ words[at]) & _LOW] ^ (crc >> _S8)
        at += 1
    return crc ^ _HALF


@compiled
def put_varint(value: np.uint64, words: NDArray[np.uint64], at: int) -> int:
    """Write a number, seven bits a byte, the lowest first and all but the last marked; return where it ends."""
    while value > _SEVEN_BITS:
        words[at] = (value & _SEVEN_BITS) | _MORE
        value >>= _SEVEN
        at += 1
    words[at] = value
    return at + 1


@compiled
def take_varint(words: NDArray[np.uint64], at: int, end: int) -> tuple[np.uint64, int]:
    """Read a number that ``put_varint`` wrote, and return where it ends: behind ``end`` where there is none."""
    value = shift = _WORD(0)
    while at < end and shift <= _MOST_SHIFT:
        byte = words[at] & _LOW
        value |= (byte & _SEVEN_BITS) << shift
        at += 1
        if byte < _MORE:
            return value, at
        shift += _SEVEN
    return value, end + 1
