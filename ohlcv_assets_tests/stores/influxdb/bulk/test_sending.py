"""Files sent again: under which names, until when, and what readers are told meanwhile; the server is a script."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import cast

import pytest

from ohlcv_assets.errors import StoreUnavailableError
from ohlcv_assets.stores.influxdb.bulk import sending
from ohlcv_assets.stores.influxdb.bulk.api import BackupApi
from ohlcv_assets.stores.influxdb.bulk.names import KnownNames
from ohlcv_assets.stores.influxdb.bulk.sending import Errand, send
from ohlcv_assets.stores.influxdb.bulk.telling import Teller
from ohlcv_assets.stores.influxdb.failures import Failure, Reply
from ohlcv_assets.stores.influxdb.leasing.closings import Closing
from ohlcv_assets.stores.influxdb.tsm.archives import unpacked
from ohlcv_assets.stores.influxdb.tsm.encoding import TsmFile

pytestmark = pytest.mark.unit

FILES = [TsmFile((bytes(512),), 512, 1, 1, 1), TsmFile((bytes(1_024),), 1_024, 1, 2, 2)]
PASSED = Reply(200, {"date": "Mon, 01 Jan 2024 00:00:00 GMT"}, b"")
REFUSED = Reply(500, {}, b'{"message": "engine is closed"}')
SILENCE = Failure("transient", None, "no reply")


class Script:
    """A server whose answers to restores are written down, and which of the files of each then are there.

    Parameters
    ----------
    answers
        Answer and number of files that come, one a restore.

    Attributes
    ----------
    sent
        The names of each restore.
    told
        What readers were told, and the restores in between.
    """

    def __init__(self, *answers: tuple[Reply | Failure, int]) -> None:
        self._answers = list(answers)
        self._there: set[str] = set()
        self.sent: list[list[str]] = []
        self.told: list[str] = []
        self.connection = SimpleNamespace(address=SimpleNamespace(url="http://server"))

    def restore(self, _shard: int, body: Sequence[bytes], _timeout: float) -> Reply | Failure:
        """Take files."""
        answer, came = self._answers.pop(0)
        self.told.append("restore")
        self.sent.append(list(unpacked(b"".join(body))))
        self._there.update(self.sent[-1][:came])
        return answer

    def sleep(self, _seconds: float) -> None:
        """Wait for no time."""

    def of(self, _api: object, _shard: int) -> frozenset[str]:
        """Return the files that are there."""
        return frozenset(self._there)

    def add(self, _shard: int, names: Sequence[str], date: float) -> None:
        """Take notice of files that came."""
        assert date > 0
        assert set(names) <= self._there

    def begin(self) -> None:
        """Hear that the shard may be closed."""
        self.told.append("begin")

    def end(self) -> None:
        """Hear that it is open."""
        self.told.append("end")

    def unanswered(self) -> None:
        """Hear that something may still arrive."""
        self.told.append("unanswered")

    def send(self, deadline: float = 60.0) -> bool:
        """Send two files."""
        errand = Errand(
            api=cast("BackupApi", self),
            known=cast("KnownNames", self),
            closing=cast("Closing", self),
            shard=7,
            doing="load",
            timeout=1.0,
            deadline=deadline,
            unanswered=self.unanswered,
            teller=Teller("http://server"),
        )
        return send(errand, FILES)


@pytest.fixture(autouse=True)
def _the_same_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let chance always fall alike: names must differ all the same."""
    monkeypatch.setattr(sending, "_chance", SimpleNamespace(randrange=lambda _: 0))


def test_readers_hear_of_it_before() -> None:
    """What is sent while nobody was told could be taken for an empty shard; who had it sent takes the mark back."""
    script = Script((PASSED, 2))
    assert script.send()
    assert script.told == ["begin", "restore"]


def test_readers_hear_that_nothing_came() -> None:
    """After a refusal the shard is open again at once."""
    script = Script((REFUSED, 0), (PASSED, 2))
    assert script.send()
    assert script.told == ["begin", "restore", "end", "begin", "restore"]


@pytest.mark.parametrize("failure", [REFUSED, SILENCE])
def test_no_name_is_sent_twice(failure: Reply | Failure) -> None:
    """A request that failed may have left an unfinished file, which nobody can see."""
    script = Script((failure, 0), (failure, 0), (PASSED, 2))
    assert script.send()
    names = [name for attempt in script.sent for name in attempt]
    assert len(set(names)) == len(names) == 6


def test_all_are_sent_again_where_some_came() -> None:
    """Only an attempt whose files are all there has worked; readers are told that the shard is closed until then."""
    script = Script((SILENCE, 1), (PASSED, 2))
    assert script.send()
    assert [len(attempt) for attempt in script.sent] == [2, 2]
    assert script.told == ["begin", "restore", "unanswered", "begin", "restore"]


def test_what_came_without_an_answer_is_not_sent_again() -> None:
    """It is found by its names."""
    script = Script((SILENCE, 2))
    assert script.send()
    assert len(script.sent) == 1


def test_there_is_an_end_to_it() -> None:
    """With one sentence."""
    with pytest.raises(StoreUnavailableError, match="could not load"):
        Script((REFUSED, 0)).send(deadline=0.0)
