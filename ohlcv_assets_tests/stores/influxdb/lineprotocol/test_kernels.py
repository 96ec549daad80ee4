"""The loops that write line protocol."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.stores.influxdb.lineprotocol import kernels
from ohlcv_assets.stores.influxdb.lineprotocol.kernels import OWN_TEXT, Rows, Texts

pytestmark = [pytest.mark.unit, pytest.mark.kernels]

WHOLE_FROM_2001 = 10**18
INSTANTS = [
    0,
    -1,
    7,
    1_234_567,
    -(2**63) + 2,
    2**63 - 2,
    WHOLE_FROM_2001 - 1,
    WHOLE_FROM_2001,
    1_704_205_800_000_000_001,
]
NUMBERS = [(0, 0), (-1, 0), (7, 0), (-99_999_999, 0), (100_000_000, 0), (10**15 - 1, 0), (1, 1), (18_715, 2)]
NUMBERS += [(5, 15), (123_456_789, 8), (10**15 - 1, 9), (10**15 - 1, 15), (10**14, 1), (1_000_000_001, 9)]


def scaled(values: list[float]) -> tuple[int, list[tuple[int, int]]]:
    """Return how many values have no short decimal, and the digits and decimals of all."""
    numbers, decimals = np.zeros(len(values), np.int64), np.zeros(len(values), np.int8)
    with np.errstate(over="ignore", invalid="ignore"):
        missing = kernels.scale(np.array(values), numbers, decimals)
    return missing, list(zip(numbers.tolist(), decimals.tolist(), strict=True))


def texts(*parts: str) -> Texts:
    """Return texts as kernels take them."""
    bounds = np.cumsum([0, *(len(part) for part in parts)])
    return Texts(kernels.words_of("".join(parts).encode() + bytes(kernels.SPARE)), bounds)


def made_rows(ts: list[int], fields: list[list[tuple[int, int]]], own: tuple[str, ...] = ()) -> Rows:
    """Return rows that begin with ``m a=``, with fields separated by commas."""
    pairs = np.array(fields, np.int64)
    labels = texts(*[",b="] * (len(fields) - 1), " ")
    numbers, decimals = np.ascontiguousarray(pairs[:, :, 0]), pairs[:, :, 1].astype(np.int8)
    return Rows(np.zeros(len(ts), np.int32), np.array(ts), numbers, decimals, texts("m a="), labels, texts(*own))


def written(rows: Rows, room: int = 10_000) -> tuple[int, bytes]:
    """Write rows from the first on; return how many had room, and the lines."""
    out = np.full(room, ord("?"), np.uint8)
    done, end = kernels.write(rows, 0, len(rows.ts), out, kernels.words_of(out), 0)
    return done, out[:end].tobytes()


def test_short_decimals() -> None:
    """Values of up to 15 digits give those digits without trailing zeros, whatever came before them."""
    values = [187.15, 100.0, 187.1, 0.5, 1e-15, 12345678.0, 999999999999999.0, 0.00001234, 123456.789012345, 2.5]
    found = [(18715, 2), (100, 0), (1871, 1), (5, 1), (1, 15), (12345678, 0), (999999999999999, 0), (1234, 8)]
    assert scaled(values) == (0, [*found, (123456789012345, 9), (25, 1)])
    assert scaled(list(reversed(values)))[1] == list(reversed(scaled(values)[1]))


def test_decimals_adapt_by_block() -> None:
    """The number of decimals to try first follows what the block before had."""
    values = [0.12345678] * 300 + [3.0] * 600
    assert scaled(values) == (0, [(12345678, 8)] * 300 + [(3, 0)] * 600)


@pytest.mark.parametrize(
    "value",
    [0.1 + 0.2, 1e15, 1e300, 1.7976931348623157e308, 5e-324, 1e-16, 0.0, -0.0, -1.5, float("inf"), float("nan")],
)
def test_values_without_a_short_decimal(value: float) -> None:
    """More digits, far exponents, and whatever is not positive and finite are left to have texts of their own."""
    missing, [(_, decimals)] = scaled([value])
    assert (missing, decimals) == (1, OWN_TEXT)


@settings(deadline=None, max_examples=40)
@given(digits=st.integers(1, 10**15 - 1), places=st.integers(0, 15))
def test_every_short_decimal_is_found(digits: int, places: int) -> None:
    """Any decimal of up to 15 digits and 15 decimals is found again in the double nearest to it."""
    missing, [(found, decimals)] = scaled([float(f"{digits}e-{places}")])
    assert missing == 0
    assert found * 10 ** (places - decimals) == digits
    assert decimals == 0 or found % 10 != 0


@pytest.mark.parametrize(("number", "places"), NUMBERS)
def test_numbers(number: int, places: int) -> None:
    """Digits, sign and point are those of the same decimal written in the ordinary way."""
    done, body = written(made_rows([WHOLE_FROM_2001], [[(number, places)]]))
    whole, rest = divmod(abs(number), 10**places)
    text = f"{'-' if number < 0 else ''}{whole}" + (f".{rest:0{places}d}" if places else "")
    assert (done, body.decode()) == (1, f"m a={text} {WHOLE_FROM_2001}\n")


def test_instants() -> None:
    """Any instant is written as the whole number it is."""
    body = written(made_rows(INSTANTS, [[(1, 0)] * len(INSTANTS)]))[1]
    assert body.decode() == "".join(f"m a=1 {instant}\n" for instant in INSTANTS)


def test_texts_stand_in_for_numbers() -> None:
    """A value with a text of its own is written as that text, between its neighbours."""
    long = "1.2345678901234567e-308"
    rows = made_rows([5, 6], [[(1, OWN_TEXT), (25, 1)], [(3, 0), (0, OWN_TEXT)]], ("7e300", long))
    assert written(rows)[1].decode() == f"m a={long},b=3 5\nm a=2.5,b=7e300 6\n"


def test_lines_that_have_no_room_are_not_begun() -> None:
    """Writing stops before a line that might not fit, and says where."""
    rows = made_rows([1, 2, 3], [[(1, 0)] * 3])
    need = len("m a=") + 1 + 2 * kernels.NUMBER_BYTES + kernels.SPARE
    assert written(rows, need - 1) == (0, b"")
    assert written(rows, need) == (1, b"m a=1 1\n")
    assert written(rows, need + 8) == (2, b"m a=1 1\nm a=1 2\n")
