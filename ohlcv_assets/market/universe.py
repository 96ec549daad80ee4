"""The universe: which symbols a dataset has, read from TOML with every mistake named, and written back.

What belongs here: the fields of a symbol in a file, rules between them, the digest. What does not: what one value may
be (``fields``), and when symbols trade (``calendars``).
"""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

from ohlcv_assets.errors import UniverseError
from ohlcv_assets.market import fields
from ohlcv_assets.market.calendars import CALENDARS
from ohlcv_assets.market.grid import MOST_STEPS
from ohlcv_assets.market.symbols import AssetClass, Symbol, Universe
from ohlcv_assets.units import Lots, Ticks

T = TypeVar("T")

SHIPPED: Final = Path(__file__).with_name("universe.toml")
"""The universe in force where a user names none."""

EXAMPLES: Final[Mapping[str, str]] = {
    "name": 'name = "AAPL"',
    "asset_class": 'asset_class = "stock"',
    "calendar": 'calendar = "XNYS"',
    "tick_size": "tick_size = 0.01",
    "lot_size": "lot_size = 1",
    "round_lot": "round_lot = 100",
    "first_price": "first_price = 187.15",
    "yearly_volatility": "yearly_volatility = 0.22",
    "activity": "activity = 7.0",
    "mean_amount": "mean_amount = 75",
}
"""Every field of a symbol, all of them required, with a line to copy."""

_CLASSES: Final[tuple[AssetClass, ...]] = get_args(AssetClass)
_DIGEST_VERSION: Final = "universe 1"
_LEAST_MEAN_LOTS: Final = 0.999
_BELOW_A_LOT: Final = "is less than one lot; write at least lot_size"


def load_universe(path: Path | None = None) -> Universe:
    """Read a universe from a TOML file.

    Parameters
    ----------
    path
        The file; None for the universe that comes with the package.

    Raises
    ------
    UniverseError
        Naming file, symbol and field of every mistake, and what to write instead.
    """
    file = SHIPPED if path is None else path
    try:
        content = file.read_bytes()
    except OSError as problem:
        raise UniverseError(
            f"The universe file {file} cannot be read ({problem.strerror}); name a readable TOML file."
        ) from problem
    return parse_universe(content, str(file))


def parse_universe(content: bytes, origin: str) -> Universe:
    """Read a universe from the bytes of a TOML file.

    Parameters
    ----------
    content
        UTF-8 text.
    origin
        What to call the file in errors.

    Raises
    ------
    UniverseError
        As ``load_universe``.
    """
    try:
        document = tomllib.loads(content.decode("utf-8"), parse_float=Decimal)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise UniverseError(f"{origin} is not TOML ({problem}); correct it there.") from problem
    mistakes: list[str] = []
    symbols = _symbols(document, mistakes)
    mistakes.extend(_repeated(symbols))
    _raise_if_any(mistakes, origin)
    return _universe(symbols)


def universe_from_symbols(symbols: Iterable[Symbol]) -> Universe:
    """Make a universe of symbols in any order.

    Raises
    ------
    UniverseError
        For no symbol at all, two of one name, a name that a file could not hold, or numbers that are not positive.
    """
    given = tuple(symbols)
    mistakes = [f"symbol {symbol.name!r}{mistake}" for symbol in given for mistake in _unusable(symbol)]
    if not given:
        mistakes.append("there is no symbol; give at least one")
    mistakes.extend(_repeated(given))
    _raise_if_any(mistakes, "The universe")
    return _universe(given)


def universe_to_toml(universe: Universe) -> str:
    """Return a universe as TOML text that reads back to an equal one, digest included."""
    return "\n".join(_table(symbol) for symbol in universe.symbols)


def _symbols(document: Mapping[str, Any], mistakes: list[str]) -> list[Symbol]:
    """Read every symbol of a document; a symbol with mistakes is read with examples in their place."""
    mistakes.extend(
        f"{key!r} does not belong at the top level; write symbols as [[symbol]] tables only"
        for key in document
        if key != "symbol"
    )
    tables = document.get("symbol", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        mistakes.append("'symbol' is not a list of tables; begin every symbol with a line [[symbol]]")
        return []
    if not tables:
        mistakes.append("there is no symbol; add at least one [[symbol]] table")
    return [_Reader(table, number, mistakes).symbol() for number, table in enumerate(tables, start=1)]


class _Reader:
    """Reads one [[symbol]] table and notes every mistake in it."""

    def __init__(self, table: Mapping[str, Any], number: int, mistakes: list[str]) -> None:
        name = table.get("name")
        self._table = table
        self._number = number
        self._label = f"symbol {name!r}" if isinstance(name, str) and name else f"symbol number {number}"
        self._mistakes = mistakes
        self._spoiled: set[str] = set()

    def symbol(self) -> Symbol:
        for field in sorted(self._table.keys() - EXAMPLES.keys()):
            close = difflib.get_close_matches(field, EXAMPLES, n=1)
            hint = f"write {close[0]} or remove it" if close else f"remove it; the fields are {', '.join(EXAMPLES)}"
            self._refuse(field, f"is not known; {hint}")
        ticks_per_unit = self._take("tick_size", fields.step, 1)
        lots_per_unit = self._take("lot_size", fields.step, 1)
        first_price = self._take("first_price", fields.exact, Fraction(1))
        round_lot = self._take("round_lot", fields.exact, Fraction(1))
        mean_amount = self._take("mean_amount", fields.positive, 1.0)
        if mean_amount * lots_per_unit < _LEAST_MEAN_LOTS and self._sound("mean_amount", "lot_size"):
            self._refuse("mean_amount", _BELOW_A_LOT)
        return Symbol(
            name=self._take("name", fields.text, f"number {self._number}"),
            asset_class=self._take("asset_class", fields.choice(_CLASSES), "other"),
            calendar=self._take("calendar", fields.choice(CALENDARS), "24/7"),
            ticks_per_unit=ticks_per_unit,
            lots_per_unit=lots_per_unit,
            round_lot=Lots(self._steps("round_lot", round_lot, "lot_size", lots_per_unit)),
            first_price=Ticks(self._steps("first_price", first_price, "tick_size", ticks_per_unit)),
            yearly_volatility=self._take("yearly_volatility", fields.volatility, 1.0),
            activity=self._take("activity", fields.positive, 1.0),
            mean_amount=mean_amount,
        )

    def _take(self, field: str, read: Callable[[object], T], otherwise: T) -> T:
        if field not in self._table:
            self._refuse(field, f"is missing; write a line such as: {EXAMPLES[field]}")
            return otherwise
        try:
            return read(self._table[field])
        except ValueError as problem:
            self._refuse(field, str(problem))
            return otherwise

    def _steps(self, field: str, value: Fraction, size_field: str, steps_per_unit: int) -> int:
        steps = value * steps_per_unit
        if steps.denominator != 1 and self._sound(field, size_field):
            self._refuse(field, f"{float(value)!r} is not a whole multiple of {size_field}; write one that is")
        if steps > MOST_STEPS and self._sound(field, size_field):
            self._refuse(field, f"{float(value)!r} is more than {MOST_STEPS} times {size_field}; write less")
        return int(steps)

    def _sound(self, *names: str) -> bool:
        return self._spoiled.isdisjoint(names)

    def _refuse(self, field: str, problem: str) -> None:
        self._spoiled.add(field)
        self._mistakes.append(f"{self._label}, field {field}: {problem}")


def _unusable(symbol: Symbol) -> Iterable[str]:
    """Yield what a symbol made in Python has that no file could hold."""
    checks: tuple[tuple[str, Callable[[object], object], object], ...] = (
        ("name", fields.text, symbol.name),
        ("asset_class", fields.choice(_CLASSES), symbol.asset_class),
        ("calendar", fields.choice(CALENDARS), symbol.calendar),
        ("ticks_per_unit", fields.whole(fields.MOST_STEPS_PER_UNIT), symbol.ticks_per_unit),
        ("lots_per_unit", fields.whole(fields.MOST_STEPS_PER_UNIT), symbol.lots_per_unit),
        ("round_lot", fields.whole(MOST_STEPS), symbol.round_lot),
        ("first_price", fields.whole(MOST_STEPS), symbol.first_price),
        ("yearly_volatility", fields.volatility, Decimal(repr(float(symbol.yearly_volatility)))),
        ("activity", fields.positive, Decimal(repr(float(symbol.activity)))),
        ("mean_amount", fields.positive, Decimal(repr(float(symbol.mean_amount)))),
    )
    for field, read, value in checks:
        try:
            read(value)
        except ValueError as problem:
            yield f", field {field}: {problem}"
    if symbol.mean_amount * symbol.lots_per_unit < _LEAST_MEAN_LOTS:
        yield f", field mean_amount: {_BELOW_A_LOT}"


def _repeated(symbols: Sequence[Symbol]) -> list[str]:
    names = [symbol.name for symbol in symbols]
    return [
        f"symbol {name!r}, field name: is given {names.count(name)} times; give every symbol a name of its own"
        for name in sorted(set(names))
        if names.count(name) > 1
    ]


def _raise_if_any(mistakes: Sequence[str], origin: str) -> None:
    if len(mistakes) == 1:
        raise UniverseError(f"{origin}: {mistakes[0]}.")
    if mistakes:
        listed = "".join(f"\n  - {mistake}." for mistake in mistakes)
        raise UniverseError(f"{origin} has {len(mistakes)} mistakes:{listed}")


def _universe(symbols: Iterable[Symbol]) -> Universe:
    ordered = tuple(sorted(symbols, key=lambda symbol: symbol.name))
    canonical = json.dumps([_DIGEST_VERSION, *map(_canonical, ordered)], ensure_ascii=True)
    return Universe(ordered, hashlib.sha256(canonical.encode()).hexdigest())


def _canonical(symbol: Symbol) -> list[str | int]:
    return [
        symbol.name,
        symbol.asset_class,
        symbol.calendar,
        int(symbol.ticks_per_unit),
        int(symbol.lots_per_unit),
        int(symbol.round_lot),
        int(symbol.first_price),
        repr(float(symbol.yearly_volatility)),
        repr(float(symbol.activity)),
        repr(float(symbol.mean_amount)),
    ]


def _table(symbol: Symbol) -> str:
    lines = {
        "name": json.dumps(symbol.name, ensure_ascii=False),
        "asset_class": json.dumps(symbol.asset_class),
        "calendar": json.dumps(symbol.calendar),
        "tick_size": fields.decimal_text(Fraction(1, symbol.ticks_per_unit)),
        "lot_size": fields.decimal_text(Fraction(1, symbol.lots_per_unit)),
        "round_lot": fields.decimal_text(Fraction(symbol.round_lot, symbol.lots_per_unit)),
        "first_price": fields.decimal_text(Fraction(symbol.first_price, symbol.ticks_per_unit)),
        "yearly_volatility": repr(float(symbol.yearly_volatility)),
        "activity": repr(float(symbol.activity)),
        "mean_amount": repr(float(symbol.mean_amount)),
    }
    return "[[symbol]]\n" + "".join(f"{field} = {value}\n" for field, value in lines.items())
