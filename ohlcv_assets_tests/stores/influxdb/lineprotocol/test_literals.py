"""Symbols, texts and instants as InfluxDB writes them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.errors import StoreRejectedError
from ohlcv_assets.stores.influxdb.lineprotocol import literals
from ohlcv_assets.stores.influxdb.lineprotocol.literals import (
    escaped_tag,
    flux_string,
    flux_time,
    influxql_name,
    influxql_string,
    symbol_of,
    tag_text,
)

pytestmark = pytest.mark.unit

HOSTILE = st.text(st.sampled_from("%0F4A2CE\\#\n\r\t\x00\x85\u2028é ,=\"'$"), max_size=8)
ANY = st.text(st.characters(exclude_categories=["Cs"]))
SYMBOLS = st.one_of(HOSTILE, ANY)


@settings(deadline=None, max_examples=40)
@given(symbols=st.lists(SYMBOLS, max_size=8))
def test_tag_texts_are_reversible(symbols: list[str]) -> None:
    """Every symbol comes back from its tag, so no two symbols share one."""
    assert [symbol_of(tag_text(symbol)) for symbol in symbols] == symbols


@settings(deadline=None, max_examples=40)
@given(symbol=SYMBOLS)
def test_tag_texts_are_plain_lines(symbol: str) -> None:
    """A tag text is one line without control characters, backslashes and the separator of the storage files."""
    text = tag_text(symbol)
    assert text.splitlines() == [text]
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\\#]", text)


@pytest.mark.parametrize(
    "symbol", ["AAPL", "BTC-USD", "A B", "ä,=", "BRK.B", "^GSPC", "%", "50%", "%zz", "%0a", "'\"", "🚀"]
)
def test_ordinary_symbols_are_unchanged(symbol: str) -> None:
    """What InfluxDB holds as it is, is stored as it is."""
    assert tag_text(symbol) == symbol


@pytest.mark.parametrize(
    ("symbol", "text"),
    [("", "%FF"), ("%FF", "%25FF"), ("a\nb", "a%0Ab"), ("a\\", "a%5C"), ("#!~#", "%23!~%23"), ("\x85", "%C2%85")],
)
def test_encoded_symbols(symbol: str, text: str) -> None:
    """The empty symbol has a text that no other symbol has; the rest is encoded as in a URL."""
    assert tag_text(symbol) == text


@pytest.mark.parametrize("tag", ["%C2", "%E4x", "a%FFb"])
def test_foreign_tags_are_left_alone(tag: str) -> None:
    """Tags that somebody else wrote and that decode to no text are shown as they stand."""
    assert symbol_of(tag) == tag


def test_escapes_of_line_protocol() -> None:
    """Comma, space and equals sign are escaped, nothing else."""
    assert escaped_tag("a, b=c\\\"'") == b"a\\,\\ b\\=c%5C\"'"


def test_very_long_symbols_are_refused() -> None:
    """A symbol whose series key InfluxDB would refuse, or lose when writing files, is refused before sending."""
    assert len(escaped_tag("x" * literals.MOST_TAG_BYTES)) == literals.MOST_TAG_BYTES
    with pytest.raises(StoreRejectedError, match=r"'xxxxxxxxxxxxxxxxxxxx'\.\.\. has 65,001 bytes as a tag"):
        escaped_tag("x" * (literals.MOST_TAG_BYTES + 1))
    with pytest.raises(StoreRejectedError, match="has 80,000 bytes"):
        escaped_tag(" " * 40_000)


@settings(deadline=None, max_examples=40)
@given(text=st.one_of(HOSTILE, ANY))
def test_flux_strings_cannot_be_left(text: str) -> None:
    """Between the quotes is nothing but plain characters and bytes in hexadecimal, which give the text back."""
    literal = flux_string(text)
    inner = literal[1:-1]
    assert literal == f'"{inner}"'
    assert re.fullmatch(r"(?:[A-Za-z0-9 _.,:;/=+*()<>@|~-]|\\x[0-9a-f]{2})*", inner)
    assert re.sub(rb"\\x(..)", lambda found: bytes([int(found[1], 16)]), inner.encode()).decode() == text


@pytest.mark.parametrize(("write", "quote"), [(influxql_string, "'"), (influxql_name, '"')])
def test_influxql_literals_cannot_be_left(write: object, quote: str) -> None:
    """Quotes, backslashes and newlines are escaped; control characters, which have no spelling, are refused."""
    assert callable(write)
    other = "'" if quote == '"' else '"'
    assert write(f"a{quote}{other}\\\nä") == rf"{quote}a\{quote}{other}\\\nä{quote}"
    for control in "\x00\r\t":
        with pytest.raises(StoreRejectedError, match="control characters"):
            write(f"a{control}")


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000000000Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (1_704_067_200_000_000_001, "2024-01-01T00:00:00.000000001Z"),
        (literals.MIN_NS, "1677-09-21T00:12:43.145224194Z"),
        (literals.MAX_NS, "2262-04-11T23:47:16.854775806Z"),
        (-(2**63), "1677-09-21T00:12:43.145224192Z"),
        (2**63 - 1, "2262-04-11T23:47:16.854775807Z"),
    ],
)
def test_flux_times(ns: int, text: str) -> None:
    """Instants have nine digits of a second over all that 64 bits can say."""
    assert flux_time(ns) == text
