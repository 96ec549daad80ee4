"""What became of every batch."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.errors import StoreMismatchError
from ohlcv_assets.stores.influxdb.writer.ledger import Ledger
from ohlcv_assets.stores.influxdb.writer.splitting import halves

pytestmark = pytest.mark.unit


def test_a_batch_is_open_until_it_is_acknowledged() -> None:
    """Sent is not written, and failed is not lost: only an acknowledgement closes a batch and frees its body."""
    ledger = Ledger()
    batch = ledger.admit(b"a 1\nb 2\n", 2)
    assert (batch.state, batch.attempts) == ("waiting", 0)
    for _ in range(2):
        ledger.sent(batch)
        assert batch.state == "sent"
        ledger.failed(batch)
    assert (batch.state, batch.attempts, ledger.open) == ("unknown", 2, (batch,))
    with pytest.raises(StoreMismatchError, match="2 of 2 lines were never acknowledged"):
        ledger.settle()
    assert ledger.acknowledged(batch) == 2
    assert (batch.state, batch.body, ledger.open) == ("acknowledged", b"", ())
    assert (ledger.rows, ledger.bytes, ledger.batches) == (2, 8, 1)
    ledger.settle()


def test_halves_take_the_place_of_a_batch() -> None:
    """A batch that was cut in two is written once both halves are."""
    ledger = Ledger()
    batch = ledger.admit(b"a 1\nb 2\nc 3\n", 3)
    first, second = ledger.split(batch)
    assert (first.body + second.body, first.rows + second.rows) == (b"a 1\nb 2\nc 3\n", 3)
    assert (batch.state, batch.body, ledger.open) == ("split", b"", (first, second))
    ledger.acknowledged(second)
    with pytest.raises(StoreMismatchError):
        ledger.settle()
    ledger.acknowledged(first)
    ledger.settle()
    assert (ledger.rows, ledger.bytes) == (3, 12)


def test_no_line_shows_in_a_repr() -> None:
    """A batch says how large it is, not what it holds."""
    assert repr(Ledger().admit(b"secret 1\n", 1)) == "Batch(1, rows=1, bytes=9, attempts=0, waiting)"


@given(lines=st.lists(st.binary(min_size=1, max_size=30).map(lambda line: line.replace(b"\n", b"x")), min_size=2))
@settings(deadline=None, max_examples=40)
def test_halves_are_whole_lines(lines: list[bytes]) -> None:
    """Both halves hold at least one line, together exactly the lines there were, in order."""
    body = b"".join(line + b"\n" for line in lines)
    (first, some), (second, others) = halves(body, len(lines))
    assert first + second == body
    assert (first.count(b"\n"), second.count(b"\n")) == (some, others)
    assert some > 0
    assert others > 0


def test_a_last_line_need_not_be_ended() -> None:
    """A body without a final line break is cut between lines all the same."""
    assert halves(b"a 1\nlong enough to hold the middle 2", 2) == (
        (b"a 1\n", 1),
        (b"long enough to hold the middle 2", 1),
    )
