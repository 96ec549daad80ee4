"""Questions that restores disturb: asked again, in parts, or given up."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest

from ohlcv_assets.errors import StoreBusyError, StoreQueryError
from ohlcv_assets.stores.influxdb.leasing.closings import Closings, Seen, Span
from ohlcv_assets.stores.influxdb.leasing.holders import Watch
from ohlcv_assets.stores.influxdb.leasing.labels import Label
from ohlcv_assets.stores.influxdb.reads import steady
from ohlcv_assets.stores.influxdb.reads.asking import Asker, QueryTimeout
from ohlcv_assets.stores.influxdb.reads.steady import DisturbedError, Steady
from ohlcv_assets.units import DAY
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake

pytestmark = pytest.mark.unit

WEEK: Span = (0, 7 * DAY)
NEXT: Span = (7 * DAY, 14 * DAY)
YEAR: Span = (0, 366 * DAY)
LEASE = Label("1", "ohlcv/trades/shard/12", {"pid": "7", "host": "there", "mode": "writing"})


class Scripted:
    """Marks that the test sets, and a clock that it moves."""

    def __init__(self) -> None:
        self.marks: dict[Span, str] = {}
        self.busy: dict[Span, Label] = {}
        self.now = 0.0
        self.looks = 0
        self.pauses = 0

    def watch(self) -> Watch | None:
        """Return nothing that is asked."""
        return None

    def tick(self) -> float:
        """Return the clock."""
        return self.now

    def look(self, _watch: object) -> Seen:
        """Return what is set."""
        self.looks += 1
        return Seen(self.now, dict(self.marks), dict(self.busy))

    def restore(self, span: Span = WEEK) -> None:
        """Begin and end a restore."""
        self.marks[span] = f"restore {len(self.marks)} {self.marks.get(span, '')}"

    def steady(self, wait: Callable[[], None] = lambda: None) -> Steady:
        """Return what asks by these marks, and what happens while it waits."""

        def sleep(_: float) -> None:
            self.pauses += 1
            wait()

        return Steady(cast("Closings", self), sleep)


@pytest.fixture
def script() -> Scripted:
    """Return marks of a bucket that was never restored into."""
    return Scripted()


class Question:
    """A question whose turns the test decides; each returns its number.

    Parameters
    ----------
    turns
        What happens while it is asked, first to last; afterwards nothing.
    """

    def __init__(self, *turns: Callable[[], None]) -> None:
        self.asked = 0
        self._turns = turns

    def __call__(self) -> int:
        """Be asked."""
        self.asked += 1
        if self.asked <= len(self._turns):
            self._turns[self.asked - 1]()
        return self.asked


def test_an_undisturbed_question_costs_a_look(script: Scripted) -> None:
    """The look after one question is the look before the next, unless that comes much later."""
    asking = script.steady()
    for _ in range(3):
        assert asking.ask(Question(), WEEK, "counts") == 1
    assert script.looks == 4
    script.now += steady.FRESH
    assert asking.ask(Question(), WEEK, "counts") == 1
    assert script.looks == 6


def test_what_was_disturbed_is_asked_again(script: Scripted) -> None:
    """A restore that came and went during the question makes its answer worth nothing; one elsewhere does not."""
    assert script.steady().ask(Question(script.restore, script.restore), WEEK, "counts") == 3
    assert script.steady().ask(Question(lambda: script.restore(NEXT)), WEEK, "counts") == 1


def test_what_is_closed_is_waited_for(script: Scripted) -> None:
    """Nothing is asked while a shard is closed, and what was asked when it closed is asked again once it is open."""

    def close() -> None:
        script.marks[WEEK], script.busy[WEEK] = "begun", LEASE

    def reopen() -> None:
        if script.pauses % 3 == 0:
            script.marks[WEEK] = "done"
            script.busy.clear()

    close()
    question = Question(close)
    assert script.steady(reopen).ask(question, WEEK, "counts") == 2
    assert script.pauses == 6
    close()
    assert script.steady(reopen).ask(Question(), NEXT, "counts") == 1


def test_failures(script: Scripted) -> None:
    """One that a restore may have caused is tried again, any other comes through."""

    def fail() -> None:
        raise StoreQueryError("engine is closed")

    def disturbed() -> None:
        script.restore()
        fail()

    assert script.steady().ask(Question(disturbed), WEEK, "counts") == 2
    with pytest.raises(StoreQueryError, match="engine is closed"):
        script.steady().ask(Question(disturbed, fail), WEEK, "counts")


def test_long_spans_are_left_to_their_parts(script: Scripted) -> None:
    """Disturbed again and again, a long question is not repeated for ever: the parts that are quiet pass."""
    question = Question(*[script.restore] * 10)
    with pytest.raises(DisturbedError, match="'counts_by_day' was disturbed by days that are being loaded in bulk"):
        script.steady().ask(question, YEAR, "counts_by_day")
    assert question.asked == steady.TRIES


@pytest.mark.parametrize(
    ("turn", "says"),
    [
        ("close", "Process 7 on there writes to the shards that the query 'counts' is about"),
        ("disturb", "Somebody loads into the shards that the query 'counts' is about"),
    ],
)
def test_patience_ends(script: Scripted, monkeypatch: pytest.MonkeyPatch, turn: str, says: str) -> None:
    """A shard that stays closed, or closes again and again, ends in one sentence."""
    times = iter(range(0, 1000, 30))
    monkeypatch.setattr("time.monotonic", lambda: float(next(times)))
    if turn == "close":
        script.busy[WEEK] = LEASE
    question = Question(*[script.restore] * 10)
    with pytest.raises(StoreBusyError, match=says):
        script.steady().ask(question, WEEK, "counts")
    assert question.asked == (0 if turn == "close" else 1)


def test_an_asker_asks_in_parts(fake_server: Fake, script: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too long to be undisturbed is for its caller what takes too long."""
    connection = fake_server.connect()
    look = script.look

    def disturbed(watch: object) -> Seen:
        script.restore()
        return look(watch)

    monkeypatch.setattr(script, "look", disturbed)
    with pytest.raises(QueryTimeout, match="'rows' was disturbed"):
        Asker(connection, 5.0, script.steady()).flux('from(bucket: "first") |> range(start: 0)', "rows")
    connection.close()
