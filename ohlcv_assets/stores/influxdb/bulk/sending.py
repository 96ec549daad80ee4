"""Some files on their way into one shard.

What belongs here: their names, sending them, and sending them again. What does not: which shard (``loading``).
"""

from __future__ import annotations

import email.utils
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ohlcv_assets.stores.influxdb.bulk.api import BackupApi
from ohlcv_assets.stores.influxdb.bulk.names import KnownNames
from ohlcv_assets.stores.influxdb.bulk.telling import Teller
from ohlcv_assets.stores.influxdb.connection import FIRST_PAUSE, HELPED_BY_REPEATING, LONGEST_PAUSE
from ohlcv_assets.stores.influxdb.failures import Failure, Reply, error_of, failure_of_reply
from ohlcv_assets.stores.influxdb.leasing.closings import Closing
from ohlcv_assets.stores.influxdb.tsm.archives import packed
from ohlcv_assets.stores.influxdb.tsm.encoding import TsmFile
from ohlcv_assets.stores.influxdb.tsm.naming import DRAWS, next_names

_chance = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Errand:
    """What sending files needs.

    Attributes
    ----------
    api
        Backup and restore, guarded by the leases of day and shard.
    known
        The names of files.
    closing
        The marks for those who read the shard.
    shard
        Its id; its lease is held.
    doing
        What it is for, to follow "could not" in an error.
    timeout, deadline
        Seconds of one request without a byte, and of trying.
    unanswered
        Told where a request had no reply and may still arrive.
    teller
        Counts.
    """

    api: BackupApi
    known: KnownNames
    closing: Closing
    shard: int
    doing: str
    timeout: float
    deadline: float
    unanswered: Callable[[], None]
    teller: Teller


def send(errand: Errand, files: Sequence[TsmFile]) -> bool:
    """Send files together until they are in their shard; return False where there is no such shard.

    Where they are there the shard is still marked as closed: the caller takes that back.

    Every attempt has other names: one that failed may have left an unfinished file, which the server would not empty
    before it writes the next (docs/decisions/0005).

    Raises
    ------
    StoreAccessError, StoreRejectedError, StoreUnavailableError
        The server does not take them.
    """
    until = time.monotonic() + errand.deadline
    pause = FIRST_PAUSE
    tried: list[frozenset[str]] = []
    while True:
        names = errand.known.of(errand.api, errand.shard)
        if names is None:
            return False
        if any(attempt <= names for attempt in tried):
            # An attempt that was not answered has worked; where only some files came, all are sent again.
            return True
        failure = _attempt(errand, files, names.union(*tried), tried)
        if failure is None:
            return True
        remaining = until - time.monotonic()
        if failure.kind not in HELPED_BY_REPEATING or remaining <= 0:
            raise error_of(failure, errand.doing, errand.api.connection.address.url)
        errand.api.sleep(min(pause, remaining))
        pause = min(2 * pause, LONGEST_PAUSE)


def _attempt(
    errand: Errand, files: Sequence[TsmFile], names: frozenset[str], tried: list[frozenset[str]]
) -> Failure | None:
    """Send files once."""
    chosen = [str(name) for name in next_names(names, len(files), _chance.randrange(DRAWS))]
    # The shard is locked from the first byte to the last, so all of them are at hand before the first is sent.
    body = list(packed(zip(chosen, files, strict=True)))
    tried.append(frozenset(chosen))
    errand.closing.begin()
    began = time.monotonic()
    try:
        outcome = errand.api.restore(errand.shard, body, errand.timeout)
    except BaseException:
        errand.unanswered()
        raise
    passed = isinstance(outcome, Reply) and outcome.passed
    errand.teller.sent(sum(map(len, body)), time.monotonic() - began, passed=passed)
    if not isinstance(outcome, Reply):
        errand.unanswered()
        return outcome
    if not passed:
        errand.closing.end()
        return failure_of_reply(outcome, time.time())
    errand.known.add(errand.shard, chosen, email.utils.parsedate_to_datetime(outcome.headers["date"]).timestamp())
    return None
