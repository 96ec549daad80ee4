"""What is recorded of days stays true when requests arrive late or twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ohlcv_assets.errors import StoreQueryError
from ohlcv_assets.stores.base import DayRecord
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.records import Records
from ohlcv_assets_tests.servers import Server
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake
from ohlcv_assets_tests.stores.influxdb.faulty import Request
from ohlcv_assets_tests.stores.made import FIRST, day_number

pytestmark = pytest.mark.integration

DIRTY = DayRecord(FIRST, "dirty", 'a "hash" \\', 3)
CLEAN = DayRecord(FIRST, "clean", 'a "hash" \\', 3)


def test_days_are_recorded_and_forgotten(any_server: Server, any_layout: Layout) -> None:
    """A day is dirty, then clean, then without a record; any text of a hash is kept, other days stay."""
    connection = any_server.connect()
    records, other = Records(connection, any_layout), Records(connection, any_layout)
    assert (records.get(FIRST), records.all()) == (None, {})
    neighbour = DayRecord(day_number(1), "dirty", "", 0)
    other.mark(neighbour)
    for record in (DIRTY, CLEAN):
        records.mark(record)
        assert records.get(FIRST) == record
        assert other.all() == {FIRST: record, neighbour.day: neighbour}
    records.forget([])
    records.forget([FIRST])
    assert records.all() == {neighbour.day: neighbour}
    connection.close()


def test_requests_that_arrive_late_prove_nothing(
    fake_server: Fake, fresh_layout: Callable[[Server], Layout], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an attempt wrote and arrives once more leaves its own clean day clean, and no other day clean."""
    layout = fresh_layout(fake_server)
    connection = fake_server.connect()
    late: list[Request] = []
    carry_out = fake_server.http.carry_out

    def kept(request: Request) -> object:
        late.append(request)
        return carry_out(request)

    first, second = Records(connection, layout), Records(connection, layout)
    monkeypatch.setattr(fake_server.http, "carry_out", kept)
    first.mark(DIRTY)
    first.mark(CLEAN)
    monkeypatch.undo()
    dirty, clean = late
    carry_out(dirty)
    assert first.get(FIRST) == CLEAN, "its own beginning arrived after its end"
    second.mark(DIRTY)
    carry_out(clean)
    assert first.get(FIRST) == DIRTY, "the end of an earlier attempt arrived during a later one"
    second.mark(CLEAN)
    carry_out(dirty)
    assert first.get(FIRST) == DIRTY, "nobody can tell what the earlier attempt wrote late"
    first.forget([FIRST])
    carry_out(clean)
    assert first.get(FIRST) is None
    connection.close()


def test_a_question_that_fails_inside_its_reply_is_no_empty_answer(
    fake_server: Fake, fresh_layout: Callable[[Server], Layout]
) -> None:
    """An error that comes with a status of 200, or no result at all, is told."""
    records = Records(fake_server.connect(), fresh_layout(fake_server))
    for body in (b'{"results":[{"statement_id":0,"error":"no luck"}]}', b"{}"):
        fake_server.faults.add("answer", path="/query", status=200, body=body)
        with pytest.raises(StoreQueryError, match="'records': no "):
            records.get(FIRST)
