"""The universe: what a file may say, how mistakes are named, and writing one back."""

from __future__ import annotations

import dataclasses
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.errors import UniverseError
from ohlcv_assets.market.calendars import CALENDARS
from ohlcv_assets.market.fields import MOST_STEPS_PER_UNIT
from ohlcv_assets.market.grid import MOST_STEPS, on_grid, values_of
from ohlcv_assets.market.symbols import AssetClass, Symbol, Universe
from ohlcv_assets.market.universe import (
    EXAMPLES,
    SHIPPED,
    load_universe,
    parse_universe,
    universe_from_symbols,
    universe_to_toml,
)
from ohlcv_assets.units import Lots, Ticks

pytestmark = pytest.mark.unit

ONE = Symbol("AAPL", "stock", "XNYS", 100, 1, Lots(100), Ticks(18_715), 0.22, 7.0, 75.0)
CLASSES: tuple[AssetClass, ...] = ("stock", "crypto", "other")


def table(**lines: str | None) -> str:
    """Return one [[symbol]] table of the examples with some lines replaced, or left out where None."""
    kept = [line for line in {**EXAMPLES, **lines}.values() if line is not None]
    return "[[symbol]]\n" + "\n".join(kept) + "\n"


def refusal(text: str) -> str:
    """Return the message with which a universe is refused."""
    with pytest.raises(UniverseError) as refused:
        parse_universe(text.encode(), "my.toml")
    return str(refused.value)


def test_the_shipped_universe() -> None:
    """The shipped file has 20 stocks on New York's calendar and 8 pairs round the clock; shares add up to 100."""
    universe = load_universe()
    stocks = [symbol for symbol in universe.symbols if symbol.asset_class == "stock"]
    pairs = [symbol for symbol in universe.symbols if symbol.asset_class == "crypto"]

    assert (len(stocks), len(pairs), len(universe.symbols)) == (20, 8, 28)
    assert {(stock.calendar, stock.ticks_per_unit, stock.lots_per_unit, stock.round_lot) for stock in stocks} == {
        ("XNYS", 100, 1, 100)
    }
    assert {pair.calendar for pair in pairs} == {"24/7"}
    assert sum(symbol.activity for symbol in universe.symbols) == pytest.approx(100)


def test_the_shipped_prices_are_decimal() -> None:
    """First prices are on the grid, so that they print as they were written."""
    apple, bitcoin = (load_universe().symbol(name) for name in ("AAPL", "BTC-USD"))

    assert apple.first_price / apple.ticks_per_unit == 187.15
    assert bitcoin.first_price / bitcoin.ticks_per_unit == 44_187.14
    assert on_grid(values_of(np.array([bitcoin.first_price]), bitcoin.ticks_per_unit), 100).all()


def test_the_examples_are_a_universe() -> None:
    """The lines that errors tell users to write make a symbol."""
    assert parse_universe(table().encode(), "my.toml").symbols == (ONE,)


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    """A path reads that file."""
    file = tmp_path / "mine.toml"
    file.write_text(table(name='name = "MINE"'))

    assert load_universe(file).names == ("MINE",)


def test_digest_knows_content_only() -> None:
    """Order, comments, spacing and ways to write a number leave the digest alone; any value changes it."""
    blocks = reversed(SHIPPED.read_text().split("[[symbol]]\n")[1:])
    shuffled = "# other\n" + "".join(
        "[[symbol]]   # as before\n" + "\n".join(reversed(block.strip().splitlines())) + "\n" for block in blocks
    )
    shipped = load_universe()

    assert parse_universe(shuffled.replace("= 0.01\n", "= 1.0e-2\n").encode(), "x") == shipped
    assert parse_universe(shuffled.replace("0.53", "0.54").encode(), "x").digest != shipped.digest


@pytest.mark.parametrize(
    "other",
    [
        dataclasses.replace(ONE, name="B"),
        dataclasses.replace(ONE, asset_class="other"),
        dataclasses.replace(ONE, calendar="24/7"),
        dataclasses.replace(ONE, ticks_per_unit=50),
        dataclasses.replace(ONE, lots_per_unit=50),
        dataclasses.replace(ONE, round_lot=Lots(50)),
        dataclasses.replace(ONE, first_price=Ticks(50)),
        dataclasses.replace(ONE, yearly_volatility=0.5),
        dataclasses.replace(ONE, activity=5.0),
        dataclasses.replace(ONE, mean_amount=50.0),
    ],
)
def test_every_field_is_in_the_digest(other: Symbol) -> None:
    """Two symbols that differ in one field make universes of different digest."""
    assert universe_from_symbols([ONE]).digest != universe_from_symbols([other]).digest


names = st.text(min_size=1, max_size=20).filter(
    lambda name: name == name.strip() and not any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in name)
)
positive = st.floats(1e-9, 1e9, allow_nan=False)
symbols = st.builds(
    Symbol,
    name=names,
    asset_class=st.sampled_from(CLASSES),
    calendar=st.sampled_from(CALENDARS),
    ticks_per_unit=st.integers(1, MOST_STEPS_PER_UNIT),
    lots_per_unit=st.integers(1, MOST_STEPS_PER_UNIT),
    round_lot=st.integers(1, MOST_STEPS).map(Lots),
    first_price=st.integers(1, MOST_STEPS).map(Ticks),
    yearly_volatility=st.floats(1e-6, 10.0),
    activity=positive,
    mean_amount=st.floats(1.0, 1e9),
)
universes = st.lists(symbols, min_size=1, max_size=5, unique_by=lambda symbol: symbol.name).map(universe_from_symbols)


@settings(deadline=None, max_examples=40)
@given(universes)
def test_written_text_reads_back(universe: Universe) -> None:
    """A universe written as TOML reads back equal to the last bit, digest included, whatever its grid."""
    assert parse_universe(universe_to_toml(universe).encode(), "written.toml") == universe


def test_long_decimals_are_written_as_fractions() -> None:
    """A multiple whose decimal has more digits than a file may hold is written as a fraction and reads back."""
    fine = dataclasses.replace(ONE, lots_per_unit=2**37, round_lot=Lots(13_745), mean_amount=1.0)
    universe = universe_from_symbols([fine])

    assert f'round_lot = "13745/{2**37}"' in universe_to_toml(universe)
    assert parse_universe(universe_to_toml(universe).encode(), "written.toml") == universe


def test_symbols_are_sorted() -> None:
    """Symbols given in any order are listed by name."""
    second = dataclasses.replace(ONE, name="MSFT")

    assert universe_from_symbols([second, ONE]) == universe_from_symbols(iter([ONE, second]))
    assert universe_from_symbols([second, ONE]).names == ("AAPL", "MSFT")


def test_steps_that_have_no_decimal() -> None:
    """A third of a unit is written as a quoted fraction."""
    third = dataclasses.replace(ONE, ticks_per_unit=3, first_price=Ticks(100))

    assert 'tick_size = "1/3"' in universe_to_toml(universe_from_symbols([third]))
    assert 'first_price = "100/3"' in universe_to_toml(universe_from_symbols([third]))


@pytest.mark.parametrize(
    ("field", "line", "says"),
    [
        ("name", None, 'symbol number 1, field name: is missing; write a line such as: name = "AAPL"'),
        ("name", "name = 7", "symbol number 1, field name: 7 is not text"),
        ("name", 'name = ""', "symbol number 1, field name: is empty"),
        ("name", 'name = " A"', "symbol ' A', field name: ' A' has spaces around it"),
        ("name", 'name = "A\\u0007B"', "control characters"),
        ("asset_class", 'asset_class = "bond"', '\'bond\' is not known; write "stock" or "crypto" or "other"'),
        ("calendar", 'calendar = "XNAS"', '\'XNAS\' is not known; write "XNYS" or "24/7"'),
        ("tick_size", "tick_size = 0.03", "0.03 is not 1 divided by a whole number; write a size such as 1, 0.05"),
        ("tick_size", "tick_size = 5", "5 is not 1 divided by a whole number"),
        ("tick_size", "tick_size = 0", "0 is not greater than zero"),
        ("tick_size", "tick_size = -0.01", "-0.01 is not greater than zero"),
        ("tick_size", 'tick_size = "0.01"', "'0.01' is text; write a number such as 0.01, without quotes"),
        ("tick_size", 'tick_size = "1/0"', "'1/0' is text"),
        ("tick_size", "tick_size = 1e-13", "1E-13 is too small"),
        ("tick_size", "tick_size = nan", "NaN is out of range"),
        ("tick_size", "tick_size = true", "true is not a number"),
        ("lot_size", "lot_size = [1]", "[1] is not a number"),
        ("round_lot", "round_lot = 2.5", "2.5 is not a whole multiple of lot_size"),
        ("first_price", "first_price = 187.155", "187.155 is not a whole multiple of tick_size"),
        ("first_price", "first_price = 1e20", f"1e+20 is more than {MOST_STEPS} times tick_size"),
        ("first_price", "first_price = 1e999999999", "1E+999999999 is out of range"),
        ("yearly_volatility", "yearly_volatility = 22", "22 is more than 10; write 0.25 for 25 percent"),
        ("yearly_volatility", "yearly_volatility = inf", "Infinity is out of range"),
        ("activity", 'activity = "much"', "'much' is text; write a number without quotes"),
        ("activity", "activity = 0.0", "0.0 is not greater than zero"),
        ("mean_amount", "mean_amount = 0.5", "is less than one lot; write at least lot_size"),
        ("mean_amount", 'mean_amount = "' + "x" * 99 + '"', "'" + "x" * 39 + "... is text"),
        ("tick", "tick = 0.01", "field tick: is not known; write tick_size or remove it"),
        ("exchange", 'exchange = "Q"', "field exchange: is not known; remove it; the fields are name, asset_class"),
    ],
)
def test_mistakes(field: str, line: str | None, says: str) -> None:
    """A mistake is one sentence with file, symbol, field and what to write instead."""
    message = refusal(table(**{field: line}))

    assert message.startswith("my.toml: symbol ")
    assert f"field {field}: " in message
    assert says in message
    assert "\n" not in message
    assert message.endswith(".")


@pytest.mark.parametrize("field", EXAMPLES)
def test_every_field_is_required(field: str) -> None:
    """A missing field is named with a line to copy."""
    assert f"field {field}: is missing; write a line such as: {EXAMPLES[field]}." in refusal(table(**{field: None}))


def test_all_mistakes_at_once() -> None:
    """Several mistakes are told together, one a line, each once: a wrong grid does not blame the price as well."""
    message = refusal(
        table(name='name = "A"', tick_size="tick_size = -3", activity="activity = -1")
        + table(name='name = "B"', kind="kind = 1")
    )

    assert message.splitlines() == [
        "my.toml has 3 mistakes:",
        "  - symbol 'A', field tick_size: -3 is not greater than zero; write a number such as 0.01.",
        "  - symbol 'A', field activity: -1 is not greater than zero; write a number that is.",
        f"  - symbol 'B', field kind: is not known; remove it; the fields are {', '.join(EXAMPLES)}.",
    ]


def test_two_of_one_name() -> None:
    """A duplicate symbol is named with the number of times."""
    assert refusal(table() * 3) == (
        "my.toml: symbol 'AAPL', field name: is given 3 times; give every symbol a name of its own."
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "there is no symbol; add at least one [[symbol]] table"),
        ("symbol = []", "there is no symbol"),
        ("symbol = 3", "'symbol' is not a list of tables; begin every symbol with a line [[symbol]]"),
        ("symbol = [1]", "'symbol' is not a list of tables"),
        ("[symbol]\nname = 'A'", "'symbol' is not a list of tables"),
        ("tick = 1\n" + table(), "'tick' does not belong at the top level; write symbols as [[symbol]] tables only"),
        ("[[symbol]\n", "my.toml is not TOML ("),
    ],
)
def test_files_that_are_no_universe(text: str, says: str) -> None:
    """A file without symbols, or that is no TOML, is refused in one sentence."""
    message = refusal(text)

    assert message.startswith("my.toml")
    assert says in message
    assert "\n" not in message


def test_not_text() -> None:
    """Bytes that are no UTF-8 are said to be no TOML."""
    with pytest.raises(UniverseError, match=r"my\.toml is not TOML"):
        parse_universe(b"\xff\xfe", "my.toml")


def test_unreadable_files(tmp_path: Path) -> None:
    """A file that is not there, or is a folder, is named with the reason."""
    with pytest.raises(
        UniverseError, match=r"none\.toml cannot be read \(No such file or directory\); name a readable"
    ):
        load_universe(tmp_path / "none.toml")
    with pytest.raises(UniverseError, match="Is a directory"):
        load_universe(tmp_path)


@pytest.mark.parametrize(
    ("symbol", "says"),
    [
        (dataclasses.replace(ONE, name=""), "field name: is empty"),
        (dataclasses.replace(ONE, name="A\nB"), "field name: .*control characters"),
        (dataclasses.replace(ONE, ticks_per_unit=0), "field ticks_per_unit: 0 is not a whole number from 1"),
        (dataclasses.replace(ONE, lots_per_unit=True), "field lots_per_unit: true is not a whole number from 1"),
        (dataclasses.replace(ONE, round_lot=Lots(-1)), "field round_lot: -1 is not a whole number from 1"),
        (dataclasses.replace(ONE, first_price=Ticks(MOST_STEPS + 1)), "field first_price: .* is not a whole number"),
        (dataclasses.replace(ONE, yearly_volatility=0.0), "field yearly_volatility: 0.0 is not greater than zero"),
        (dataclasses.replace(ONE, activity=float("nan")), "field activity: NaN is out of range"),
        (dataclasses.replace(ONE, mean_amount=0.5), "field mean_amount: is less than one lot"),
    ],
)
def test_symbols_that_no_file_could_hold(symbol: Symbol, says: str) -> None:
    """A symbol made in Python obeys the rules of files."""
    with pytest.raises(UniverseError, match=says):
        universe_from_symbols([symbol])


def test_no_symbols_and_duplicates_in_python() -> None:
    """A universe made in Python has a symbol at least, and each once."""
    with pytest.raises(UniverseError, match="there is no symbol"):
        universe_from_symbols([])
    with pytest.raises(UniverseError, match="symbol 'AAPL', field name: is given 2 times"):
        universe_from_symbols([ONE, ONE])


def test_a_mean_of_one_lot_may_be_rounded() -> None:
    """A mean amount of one lot is accepted though a double cannot hold 1/49 exactly."""
    assert (1 / 49) * 49 < 1
    assert universe_from_symbols([dataclasses.replace(ONE, lots_per_unit=49, mean_amount=1 / 49)]).names == ("AAPL",)
