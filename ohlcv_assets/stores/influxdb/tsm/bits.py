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
_ZERO: Final = _WORD(0)
_ONE: Final = _WORD(1)
_POLYNOMIAL: Final = _WORD(0xEDB88320)
_VALUES: Final = 256
_BRAIDS: Final = 4
_ONE_WORD, _TWO_WORDS, _THREE_WORDS, _STEP, _TWO_STEPS = (_WORD(8 * words) for words in (1, 2, 3, _BRAIDS, 2 * _BRAIDS))
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
    """Return what a byte does to a checksum when so many other bytes follow it, 256 entries for each number."""
    tables = np.zeros((8 * _BRAIDS, _VALUES), np.uint64)
    tables[0] = np.arange(_VALUES, dtype=np.uint64)
    for _ in range(8):
        tables[0] = (tables[0] >> _ONE) ^ (_POLYNOMIAL * (tables[0] & _ONE))
    for row in range(1, 8 * _BRAIDS):
        tables[row] = (tables[row - 1] >> _S8) ^ tables[0][tables[row - 1] & _LOW]
    return tables.astype(np.uint32)


_T0, _T1, _T2, _T3, _T4, _T5, _T6, _T7 = _tables()[:8]
_F0, _F1, _F2, _F3, _F4, _F5, _F6, _F7 = _tables()[-8:]


@compiled
def _next(word: np.uint64) -> np.uint64:
    """Return the checksum of a word that nothing follows."""
    return _WORD(
        _T7[word & _LOW]
        ^ _T6[(word >> _S8) & _LOW]
        ^ _T5[(word >> _S16) & _LOW]
        ^ _T4[(word >> _S24) & _LOW]
        ^ _T3[(word >> _S32) & _LOW]
        ^ _T2[(word >> _S40) & _LOW]
        ^ _T1[(word >> _S48) & _LOW]
        ^ _T0[word >> _S56]
    )


@compiled
def _far(word: np.uint64) -> np.uint64:
    """Return what is carried from a word to the one that is ``_BRAIDS`` words on."""
    return _WORD(
        _F7[word & _LOW]
        ^ _F6[(word >> _S8) & _LOW]
        ^ _F5[(word >> _S16) & _LOW]
        ^ _F4[(word >> _S24) & _LOW]
        ^ _F3[(word >> _S32) & _LOW]
        ^ _F2[(word >> _S40) & _LOW]
        ^ _F1[(word >> _S48) & _LOW]
        ^ _F0[word >> _S56]
    )


@compiled
def crc32(words: NDArray[np.uint64], start: int, end: int) -> np.uint64:
    """Return the CRC-32 of IEEE 802.3 of the bytes ``start <= at < end``.

    Four words at a time, each carried to the one four words on, so that none waits for another ("braided", Kadatch and
    Jenkins, "Everything we know about CRC but afraid to forget", 2010); then one after another.

    Parameters
    ----------
    words
        The bytes as ``words_of`` sees them.
    """
    # Places are unsigned as well: a signed one could count from the end, which compiled code would look for each time.
    at, stop, crc = _WORD(start), _WORD(end), _HALF
    if at + _STEP <= stop:
        second = third = fourth = _ZERO
        while at + _TWO_STEPS <= stop:
            crc = _far(crc ^ words[at])
            second = _far(second ^ words[at + _ONE_WORD])
            third = _far(third ^ words[at + _TWO_WORDS])
            fourth = _far(fourth ^ words[at + _THREE_WORDS])
            at += _STEP
        crc = _next(crc ^ words[at])
        crc = _next(crc ^ second ^ words[at + _ONE_WORD])
        crc = _next(crc ^ third ^ words[at + _TWO_WORDS])
        crc = _next(crc ^ fourth ^ words[at + _THREE_WORDS])
        at += _STEP
    while at + _ONE_WORD <= stop:
        crc = _next(crc ^ words[at])
        at += _ONE_WORD
    while at < stop:
        crc = _T0[(crc ^ words[at]) & _LOW] ^ (crc >> _S8)
        at += _ONE
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
    value = shift = _ZERO
    while at < end and shift <= _MOST_SHIFT:
        byte = words[at] & _LOW
        value |= (byte & _SEVEN_BITS) << shift
        at += 1
        if byte < _MORE:
            return value, at
        shift += _SEVEN
    return value, end + 1
