"""Symbols, texts and instants as InfluxDB writes them.

What belongs here: the reversible text of a symbol's tag, and literals of line protocol, Flux and InfluxQL that no text
can break out of. What does not: whole lines (``lines``), whole queries (``queries``).

What a tag cannot hold, as 2.9.1 behaves: the empty text, a newline, a backslash at its end. A carriage return is stored
but lost in replies; ``#!~#`` separates series from field in the storage files; other control characters survive but
break terminals, logs and readers of lines. All of these are percent-encoded, so that what is stored is one plain line.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Final
from urllib.parse import unquote_to_bytes

from ohlcv_assets.errors import StoreRejectedError

MIN_NS: Final = -(2**63 - 2)
MAX_NS: Final = 2**63 - 2
"""First and last instant InfluxDB can hold. The stop of a range is exclusive and no later than the last, so a point at
the last instant itself could not be read back through Flux: none is written there."""

MOST_TAG_BYTES: Final = 65_000
"""Bytes of an escaped tag text. The key of a series with measurement, field and separators must stay under 65,536;
a longer one is refused by the parser or, worse, taken and then not written to disk."""

EMPTY_TAG: Final = "%FF"
"""Tag text of the empty symbol: a byte that no text contains, so no other symbol has it."""

_UNSAFE: Final = re.compile("[\x00-\x1f\x7f-\x9f\\\\#\u2028\u2029\ufeff]|%(?=[0-9A-F]{2})")
_ENCODED: Final = re.compile("(?:%[0-9A-F]{2})+")
_PLAIN: Final = re.compile(r"[^A-Za-z0-9 _.,:;/=+*()<>@|~-]")
_INFLUXQL_ESCAPES: Final = {"\\": r"\\", "\n": r"\n"}
_INFLUXQL_SPECIAL: Final = re.compile(r"[\\\n]")
_CONTROL: Final = re.compile("[\x00-\x09\x0b-\x1f]")
_SECOND: Final = 1_000_000_000
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def tag_text(symbol: str) -> str:
    """Return the text of a symbol's tag as InfluxDB stores it: ordinary symbols unchanged."""
    return _UNSAFE.sub(_percent, symbol) if symbol else EMPTY_TAG


def symbol_of(tag: str) -> str:
    """Return the symbol of a tag's text; a text that ``tag_text`` never gives is returned as it stands."""
    if tag == EMPTY_TAG:
        return ""
    try:
        return _ENCODED.sub(lambda found: unquote_to_bytes(found[0]).decode(), tag)
    except UnicodeDecodeError:
        return tag


def escaped_tag(symbol: str) -> bytes:
    """Return the text of a symbol's tag as line protocol spells it.

    Raises
    ------
    StoreRejectedError
        The text is longer than ``MOST_TAG_BYTES``.
    """
    escaped = re.sub(r"([, =])", r"\\\1", tag_text(symbol)).encode()
    if len(escaped) > MOST_TAG_BYTES:
        raise StoreRejectedError(
            f"The symbol {symbol[:20]!r}... has {len(escaped):,} bytes as a tag, InfluxDB takes {MOST_TAG_BYTES:,}; "
            "nothing of its batch was sent."
        )
    return escaped


def flux_string(text: str) -> str:
    r"""Return a text as a Flux string literal: every byte that is not plain as ``\xHH``, so nothing ends it early."""
    return f'"{_PLAIN.sub(_hex, text)}"'


def influxql_string(text: str) -> str:
    """Return a text as an InfluxQL string literal.

    Raises
    ------
    StoreRejectedError
        The text holds control characters, which InfluxQL cannot spell; tag texts hold none.
    """
    return _influxql(text, "'")


def influxql_name(text: str) -> str:
    """Return a text as a quoted InfluxQL identifier.

    Raises
    ------
    StoreRejectedError
        As for ``influxql_string``.
    """
    return _influxql(text, '"')


def flux_time(ns: int) -> str:
    """Return an instant as a Flux time literal: RFC 3339 with nine digits.

    Parameters
    ----------
    ns
        Nanoseconds UTC, any 64-bit value.
    """
    seconds, rest = divmod(ns, _SECOND)
    whole = (_EPOCH + dt.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{rest:09d}Z"


def _percent(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode())


def _hex(found: re.Match[str]) -> str:
    return "".join(f"\\x{byte:02x}" for byte in found[0].encode())


def _influxql(text: str, quote: str) -> str:
    if _CONTROL.search(text):
        raise StoreRejectedError("A text with control characters cannot be written in InfluxQL.")
    escaped = _INFLUXQL_SPECIAL.sub(lambda found: _INFLUXQL_ESCAPES[found[0]], text)
    return quote + escaped.replace(quote, f"\\{quote}") + quote
