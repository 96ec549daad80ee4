"""What is recorded of days comes back, is overwritten, and is nobody else's."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest

from ohlcv_assets.errors import StoreQueryError, StoreRejectedError
from ohlcv_assets.stores.base import DayRecord
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.layout import Layout, layout_of
from ohlcv_assets.stores.influxdb.records import Records
from ohlcv_assets_tests.servers import Server
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake
from ohlcv_assets_tests.stores.influxdb.reads.limited import write

pytestmark = pytest.mark.integration

DAY = dt.date(2024, 1, 1)
BEFORE_1970 = dt.date(1969, 12, 31)


def dirty(day: dt.date = DAY, content_hash: str = "a" * 64, rows: int = 5) -> DayRecord:
    """Return the record of a day that is being changed."""
    return DayRecord(day, "dirty", content_hash, rows)


def clean(day: dt.date = DAY, content_hash: str = "a" * 64, rows: int = 5) -> DayRecord:
    """Return the record of a day that is proved."""
    return DayRecord(day, "clean", content_hash, rows)


@pytest.fixture
def connection(any_server: Server) -> Iterator[Connection]:
    """Return a way to the server."""
    opened = any_server.connect()
    yield opened
    opened.close()


def loaded(connection: Connection, layout: Layout, *records: DayRecord) -> Records:
    """Return records in which these days were changed and proved."""
    made = Records(connection, layout)
    for record in records:
        made.mark(DayRecord(record.day, "dirty", record.content_hash, record.rows))
        made.mark(record)
    return made


def test_days_without_a_record(connection: Connection, any_layout: Layout) -> None:
    """Nothing is recorded of a day that nobody has touched, nor after it was forgotten."""
    records = Records(connection, any_layout)
    assert records.get(DAY) is None
    assert records.all() == {}
    records.forget([])
    records.forget([DAY])
    assert records.get(DAY) is None
    assert records.all() == {}


def test_a_day_is_dirty_then_clean_then_forgotten(connection: Connection, any_layout: Layout) -> None:
    """Each record replaces the one before, and anybody reads it."""
    records, reader = Records(connection, any_layout), Records(connection, any_layout)
    records.mark(dirty(rows=4))
    assert reader.get(DAY) == dirty(rows=4)
    records.mark(clean(rows=4))
    assert reader.get(DAY) == clean(rows=4)
    Records(connection, any_layout).mark(dirty(content_hash="b"))
    assert reader.get(DAY) == dirty(content_hash="b")
    reader.forget([DAY])
    assert records.get(DAY) is None


def test_days_in_order(connection: Connection, any_layout: Layout) -> None:
    """Every recorded day is there, those before 1970 too, without those that were forgotten."""
    days = [dt.date(2024, 2, 29), BEFORE_1970, DAY]
    records = loaded(connection, any_layout, *(clean(day, rows=number) for number, day in enumerate(days)))
    assert list(records.all().items()) == [(day, clean(day, rows=days.index(day))) for day in sorted(days)]
    records.forget([DAY, BEFORE_1970])
    assert list(records.all()) == [days[0]]


@pytest.mark.parametrize("content_hash", ["", 'quo"te', "back\\slash", 'both\\"', "ends in \\", "a b,c=d"])
def test_any_text_is_a_hash(connection: Connection, any_layout: Layout, content_hash: str) -> None:
    """What a record says comes back exactly and cannot add fields or points of its own."""
    records = loaded(connection, any_layout, clean(content_hash=content_hash))
    assert records.all() == {DAY: clean(content_hash=content_hash)}


def test_datasets_share_a_bucket_and_nothing_else(connection: Connection, any_layout: Layout) -> None:
    """Records are those of one bucket of trades; another dataset's of the same day are apart."""
    other = layout_of(
        "other_", "trades", retention=0, shard=10, bar_retention=0, bar_shard=20, status=any_layout.status.name
    )
    mine, theirs = loaded(connection, any_layout, clean()), loaded(connection, other, clean(rows=9))
    mine.forget([DAY])
    assert mine.all() == {}
    assert theirs.all() == {DAY: clean(rows=9)}


def test_a_late_request_proves_nothing(connection: Connection, any_layout: Layout) -> None:
    """An attempt that was overtaken by another one cannot declare the day clean any more."""
    late, present = Records(connection, any_layout), Records(connection, any_layout)
    late.mark(dirty())
    present.mark(dirty(content_hash="b"))
    late.mark(clean())
    found = present.get(DAY)
    assert found is not None
    assert found.state == "dirty"
    present.mark(clean(content_hash="b"))
    assert present.get(DAY) == clean(content_hash="b")


def test_errors_of_queries_and_writes(fake_server: Fake) -> None:
    """An error inside a reply that passed names the query; a record that cannot be written is said to be one."""
    layout = layout_of("", "first", retention=0, shard=10, bar_retention=0, bar_shard=20, status="first")
    opened = fake_server.connect(patience=0.0)
    records = Records(opened, layout)
    body = b'{"results":[{"statement_id":0,"error":"engine trouble"}]}'
    fake_server.faults.add("answer", path="/query", status=200, body=body)
    with pytest.raises(StoreQueryError, match=r"'records'.*engine trouble"):
        records.get(DAY)
    fake_server.faults.add("answer", path="/query", status=200, body=b"{}")
    with pytest.raises(StoreQueryError, match="no result"):
        records.all()
    write(fake_server, [f"days,bucket=x rows=1.5 {1_704_067_200_000_000_000}"])
    with pytest.raises(StoreRejectedError, match=r"record the state of a day.*field type conflict"):
        records.mark(dirty())
    opened.close()
