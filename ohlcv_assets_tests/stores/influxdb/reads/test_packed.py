"""Rows of numbers in MessagePack become the columns that a library for it reads, or are left alone."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import ormsgpack
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ohlcv_assets.stores.influxdb.reads.packed import MOST_FIELDS, Series, series_of, warm_up

pytestmark = [pytest.mark.unit, pytest.mark.kernels]

FIELDS: Final = {"open": True, "trades": False}
SIGNED = st.integers(-(2**63), 2**63 - 1)
EDGES: Final = [
    edge
    for bits in (5, 7, 8, 15, 16, 31, 32, 63)
    for edge in (-(2**bits) - 1, -(2**bits), 1 - 2**bits, 2**bits - 1, 2**bits, 2**bits + 1)
    if -(2**63) <= edge < 2**63
]
"""Whole numbers on both sides of each change of form."""


def reply(*series: object, **more: object) -> bytes:
    """Return a reply as the server packs it."""
    return ormsgpack.packb({"results": [{"statement_id": 0, "series": series, **more}]})


def one(rows: object, columns: object = ("time", *FIELDS), **more: object) -> dict[str, object]:
    """Return a series of rows."""
    return {"name": "ohlcv", "tags": {"symbol": "A"}, "columns": columns, "values": rows, **more}


def same(found: Series | None, rows: list[list[Any]]) -> bool:
    """Return whether columns hold rows to the last bit; Any: numbers of two types."""
    assert found is not None
    columns = zip(found.columns.values(), zip(*rows, strict=True), strict=True)
    return all(column.tobytes() == np.array(values, column.dtype).tobytes() for column, values in columns)


@settings(deadline=None, max_examples=40)
@given(
    times=st.lists(SIGNED, min_size=1, max_size=40, unique=True),
    doubles=st.lists(st.floats(width=64), min_size=40, max_size=40),
    whole=st.lists(SIGNED | st.sampled_from(EDGES), min_size=40, max_size=40),
)
@example(times=EDGES[:40], doubles=[-0.0] * 40, whole=EDGES[-40:])
def test_rows_are_read_as_the_library_reads_them(times: list[int], doubles: list[float], whole: list[int]) -> None:
    """Every double and every whole number of 64 bits, in whatever form it is packed, and the tags."""
    rows = [list(row) for row in zip(sorted(times), doubles, whole, strict=False)]
    body = reply(one(rows))
    found = series_of(body, FIELDS)
    assert found is not None
    assert found.tags == {"symbol": "A"}
    kinds = {name: column.dtype.name for name, column in found.columns.items()}
    assert kinds == {"time": "int64", "open": "float64", "trades": "int64"}
    assert same(found, ormsgpack.unpackb(body)["results"][0]["series"][0]["values"])


@pytest.mark.parametrize("count", [1, 15, 16, 300])
def test_any_number_of_rows(count: int) -> None:
    """However the server writes how many there are."""
    rows = [[at, at / 7, -at] for at in range(count)]
    assert same(series_of(reply(one(rows)), FIELDS), rows)
    # As from 65,536 rows on.
    begin, end = reply(one([], last=0)).split(b"\x90")
    body = begin + b"\xdd" + count.to_bytes(4) + b"".join(map(ormsgpack.packb, rows)) + end
    assert same(series_of(body, FIELDS), rows)


def test_whole_numbers_in_longer_forms_than_they_need() -> None:
    """A writer may use any form that holds the number."""
    forms = [b"\xcc\x05", b"\xcd\x00\x05", b"\xce\x00\x00\x00\x05", b"\xcf" + bytes(7) + b"\x05"]
    forms += [b"\xd0\xfb", b"\xd1\xff\xfb", b"\xd2\xff\xff\xff\xfb", b"\xd3" + b"\xff" * 7 + b"\xfb"]
    rows = b"".join(b"\x92" + bytes([at]) + form for at, form in enumerate(forms))
    begin, end = reply(one([[0]], ("time", "n"))).split(b"\x91\x91\x00")
    found = series_of(begin + bytes([0x90 + len(forms)]) + rows + end, {"n": False})
    assert same(found, [[at, 5 if at < 4 else -5] for at in range(8)])


ROW: Final = [1, 1.5, 2]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        reply(),
        ormsgpack.packb({"results": [{"error": "no such thing"}]}),
        reply(one([])),
        reply(one([ROW]), one([ROW])),
        reply(one([ROW]), partial=True),
        reply(one([ROW]), error="cut short"),
        reply(one([ROW], ("time", "open", "other"))),
        reply(one([ROW], tags=None)),
        reply(one("rows")),
        reply(one([[1, None, 2]])),
        reply(one([[1, 1.5, None]])),
        reply(one([[1, 2, 2]])),
        reply(one([[1, 1.5, 2.0]])),
        reply(one([[1, 1.5, "2"]])),
        reply(one([[1, 1.5, 2**63]])),
        reply(one([[1, 1.5]])),
        reply(one([[1, 1.5, 2, 3]])),
        reply(one([[2, 1.5, 2], [1, 1.5, 2]])),
        reply(one([[1, 1.5, 2], [1, 1.5, 2]])),
        reply(one([ROW], tags={"symbol": "\u00e6values"})),
        ormsgpack.packb({"results": {"values": [ROW]}}),
    ],
)
def test_what_is_not_regular_is_left_alone(body: bytes) -> None:
    """Errors, several series, gaps, other types, other columns, no order: the library and its caller see to them."""
    assert series_of(body, FIELDS) is None


def test_a_reply_that_is_cut_off_anywhere_is_left_alone() -> None:
    """No part of a reply is taken for all of it."""
    body = reply(one([[at, at / 7, at * 1000] for at in range(20)]))
    assert all(series_of(body[:end], FIELDS) is None for end in range(len(body)))


@settings(deadline=None, max_examples=40)
@given(at=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_what_is_read_is_what_the_library_reads(at: int, byte: int) -> None:
    """A byte that is another one changes what is read as it changes what the library reads, or nothing is read."""
    body = bytearray(reply(one([[at, at / 7, at * 1000] for at in range(20)])))
    body[at % len(body)] = byte
    found = series_of(bytes(body), FIELDS)
    if found is not None:
        (series,) = ormsgpack.unpackb(bytes(body))["results"][0]["series"]
        assert found.tags == series["tags"]
        assert same(found, series["values"])


def test_rows_with_more_fields_than_a_short_list_holds_are_left_alone() -> None:
    """They are begun by another mark."""
    most, more = ({f"f{at}": False for at in range(count)} for count in (MOST_FIELDS, MOST_FIELDS + 1))
    assert same(series_of(reply(one([[*range(15)]], ("time", *most))), most), [[*range(15)]])
    assert series_of(reply(one([[*range(16)]], ("time", *more))), more) is None


def test_the_kernel_can_be_loaded_beforehand() -> None:
    """It takes nothing and gives nothing."""
    warm_up()
