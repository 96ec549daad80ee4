"""Values of universe fields: what each may be, and the words in which a wrong one is refused.

What belongs here: turning one value as TOML gives it into a typed one, and a number back into text. What does not:
which fields a symbol has, and rules between fields (``universe``).

Every reader raises ``ValueError`` with the end of a sentence that begins "symbol 'X', field y: ".
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Final, TypeVar

C = TypeVar("C", bound=str)

MOST_STEPS_PER_UNIT: Final = 10**12
MOST_VOLATILITY: Final = 10.0
_MOST_DIGITS: Final = 30


def text(value: object) -> str:
    """Return a name.

    Raises
    ------
    ValueError
        For what is no text, empty, padded with spaces, or holds control characters.
    """
    if not isinstance(value, str):
        raise ValueError(f'{_shown(value)} is not text; write a name in quotes such as "AAPL"')  # noqa: TRY004 -- caught as one kind
    if value == "":
        raise ValueError('is empty; write a name such as "AAPL"')
    if value != value.strip() or any(unicodedata.category(character) in {"Cc", "Cs"} for character in value):
        raise ValueError(f"{_shown(value)} has spaces around it or control characters; write the name without them")
    return value


def choice(options: tuple[C, ...]) -> Callable[[object], C]:
    """Return a reader of one of some texts."""

    def read(value: object) -> C:
        for option in options:
            if value == option:
                return option
        listed = " or ".join(f'"{option}"' for option in options)
        raise ValueError(f"{_shown(value)} is not known; write {listed}")

    return read


def exact(value: object) -> Fraction:
    """Return a number greater than zero without rounding; a fraction may be written in quotes, such as "1/32".

    Raises
    ------
    ValueError
        For what is no such number.
    """
    number: Fraction
    if isinstance(value, str):
        numerator, slash, denominator = value.partition("/")
        if not (slash and _is_whole(numerator) and _is_whole(denominator) and int(denominator) > 0):
            raise ValueError(f'{_shown(value)} is text; write a number such as 0.01, without quotes, or "1/32"')
        number = Fraction(int(numerator), int(denominator))
    else:
        number = _fraction(value)
    if number <= 0:
        raise ValueError(f"{_shown(value)} is not greater than zero; write a number such as 0.01")
    return number


def step(value: object) -> int:
    """Return the steps per unit of a step size that is 1 divided by a whole number.

    Raises
    ------
    ValueError
        For any other size.
    """
    size = exact(value)
    if size.numerator != 1:
        raise ValueError(
            f"{_shown(value)} is not 1 divided by a whole number; write a size such as 1, 0.05, 0.01 or 0.00025"
        )
    if size.denominator > MOST_STEPS_PER_UNIT:
        raise ValueError(f"{_shown(value)} is too small; write 0.000000000001 or more")
    return size.denominator


def whole(most: int) -> Callable[[object], int]:
    """Return a reader of a whole number from 1 to ``most``."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise ValueError(f"{_shown(value)} is not a whole number from 1 to {most}; give one that is")
        return value

    return read


def positive(value: object) -> float:
    """Return a number greater than zero as a double.

    Raises
    ------
    ValueError
        For what is no such number.
    """
    if isinstance(value, str):
        raise ValueError(f"{_shown(value)} is text; write a number without quotes")  # noqa: TRY004 -- caught as one kind
    number = float(_fraction(value))
    if number <= 0:
        raise ValueError(f"{_shown(value)} is not greater than zero; write a number that is")
    return number


def volatility(value: object) -> float:
    """Return a yearly volatility.

    Raises
    ------
    ValueError
        For what is no number greater than zero, or one that looks like percent.
    """
    number = positive(value)
    if number > MOST_VOLATILITY:
        raise ValueError(f"{_shown(value)} is more than {MOST_VOLATILITY:g}; write 0.25 for 25 percent a year")
    return number


def decimal_text(number: Fraction) -> str:
    """Return a number as TOML that ``exact`` reads back: a decimal where a short one is equal, else a fraction."""
    with localcontext() as context:
        context.prec = _MOST_DIGITS
        decimal = Decimal(number.numerator) / Decimal(number.denominator)
    if Fraction(decimal) == number:
        return f"{decimal:f}"
    return f'"{number.numerator}/{number.denominator}"'


def _fraction(value: object) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError(f"{_shown(value)} is not a number; write one such as 0.01")  # noqa: TRY004 -- caught as one kind
    number = Decimal(value)
    # Beyond these digits a size is a slip, and an exact fraction of 1e999999999 would take all memory.
    if not number.is_finite() or abs(number.adjusted()) > _MOST_DIGITS or len(number.as_tuple().digits) > _MOST_DIGITS:
        raise ValueError(f"{_shown(value)} is out of range; write a plain number such as 0.01")
    return Fraction(number)


def _is_whole(digits: str) -> bool:
    return digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS


def _shown(value: object) -> str:
    """Return a value as a user would recognise it, cut where it is long."""
    shown = repr(value) if isinstance(value, str) else str(value)
    if isinstance(value, bool):
        shown = shown.lower()
    most = 40
    return shown if len(shown) <= most else f"{shown[:most]}..."
