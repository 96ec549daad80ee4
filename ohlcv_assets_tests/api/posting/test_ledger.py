"""What was posted before is remembered, within bounds, across restarts."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st

from ohlcv_assets.api.posting.ledger import Ledger, Remembered
from ohlcv_assets.errors import MachineError

pytestmark = pytest.mark.unit


def test_a_ledger_remembers_across_restarts(tmp_path: Path) -> None:
    """Trades and requests, by name; what is known stays as it is."""
    path = tmp_path / "data" / "posted.sqlite"
    ledger = Ledger(path, 10)
    ledger.remember({"a": b"1", "b\n'\"é": b"2"}, {"k": Remembered(b"body", b"outcome")})
    ledger.close()
    ledger.close()
    ledger = Ledger(path, 10)
    ledger.remember({"a": b"9"}, {"k": Remembered(b"other", b"")})
    assert ledger.trades(["a", "b\n'\"é", "c"]) == {"a": b"1", "b\n'\"é": b"2"}
    assert ledger.requests(["k", "l"]) == {"k": Remembered(b"body", b"outcome")}
    ledger.close()


def test_a_ledger_without_a_file_ends_with_it() -> None:
    """It remembers all the same, until it is closed."""
    ledger = Ledger(None, 10)
    ledger.remember({}, {})
    ledger.remember({"a": b"1"}, {})
    assert ledger.trades(["a"]) == {"a": b"1"}
    ledger.close()
    assert ledger.trades(["a"]) == {}
    ledger.close()


@pytest.mark.parametrize("spoil", ["a folder", "no database"])
def test_a_ledger_that_cannot_be_used_says_so(tmp_path: Path, spoil: str) -> None:
    """One sentence with the path; once it can be used again, it is."""
    path = tmp_path / "posted.sqlite"
    if spoil == "a folder":
        path.mkdir()
    else:
        path.write_bytes(b"this is no database, and long enough to be looked at as one" * 10)
    ledger = Ledger(path, 10)
    with pytest.raises(MachineError, match=r"ledger of posted trades .*posted\.sqlite cannot be used"):
        ledger.remember({"a": b"1"}, {})
    path.rmdir() if spoil == "a folder" else path.unlink()
    ledger.remember({"a": b"1"}, {})
    assert ledger.trades(["a"]) == {"a": b"1"}
    ledger.close()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """Something else stands there."""
    (tmp_path / "data").write_text("a file")
    with pytest.raises(MachineError, match="keep the ledger of posted trades"):
        Ledger(tmp_path / "data" / "posted.sqlite", 10).trades(["a"])


@hypothesis.settings(deadline=None, max_examples=40)
@hypothesis.given(
    st.integers(1, 5), st.lists(st.dictionaries(st.sampled_from("abcdefgh"), st.binary(max_size=2)), max_size=8)
)
def test_the_oldest_are_forgotten_first(size: int, batches: list[dict[str, bytes]]) -> None:
    """It holds the latest names, so many and no more, as a plain list would."""
    ledger = Ledger(None, size)
    kept: OrderedDict[str, bytes] = OrderedDict()
    for batch in batches:
        ledger.remember(batch, {name: Remembered(record, b"") for name, record in batch.items()})
        for name, record in batch.items():
            kept.setdefault(name, record)
        while len(kept) > size:
            kept.popitem(last=False)
        assert ledger.trades("abcdefgh") == dict(kept)
        assert {name: one.body for name, one in ledger.requests("abcdefgh").items()} == dict(kept)
    ledger.close()
