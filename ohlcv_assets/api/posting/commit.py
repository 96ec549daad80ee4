"""One commit: what several requests post, judged against what is stored and remembered, then stored at once.

What belongs here: the order of events. What does not: waiting and telling (``desk``), the rule of instants
(``placing``), the ledger's file (``ledger``). Commits come one after the other, in threads: they block.

A request is stored whole or not at all. Where the process or the store dies in between, some of its trades may be
stored and nothing of it remembered; posting it again completes it, for the store tells which of them are there.
"""

from __future__ import annotations

import datetime as dt
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from ohlcv_assets.api.posting.columns import NOTHING, Columns, joined
from ohlcv_assets.api.posting.known import Known, days_of
from ohlcv_assets.api.posting.ledger import Ledger, Remembered
from ohlcv_assets.api.posting.placing import REFUSED, Placed, place
from ohlcv_assets.errors import OhlcvError
from ohlcv_assets.project import Project
from ohlcv_assets.stores.base import Hold
from ohlcv_assets.units import DAY


@dataclass(frozen=True, slots=True)
class Post:
    """What a request posts.

    Attributes
    ----------
    caller
        Who posts; ids and keys of one caller are nothing to another.
    trades
        In the order of the body.
    ids
        The caller's id of each trade, or None; None where there are none at all.
    key
        Idempotency key, or None.
    body
        Fingerprint of the body.
    """

    caller: str
    trades: Columns
    ids: Sequence[str | None] | None = None
    key: str | None = None
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Carried:
    """A request that was carried out.

    Attributes
    ----------
    placed
        What became of its trades.
    again
        Whether that was long ago: the same was posted before under the same key.
    """

    placed: Placed
    again: bool = False


@dataclass(frozen=True, slots=True)
class Conflict:
    """A request that was not carried out.

    Attributes
    ----------
    reason
        ``"closed"``: trades of a closed day that are not among its trades; ``"crowded"``: no instant is free on a day;
        ``"id"``: ids that stand for other trades; ``"key"``: an idempotency key of another body.
    rows
        Which trades are in the way.
    """

    reason: str
    rows: NDArray[np.intp]


Verdict = Carried | Conflict


@dataclass(slots=True)
class Done:
    """A commit.

    Attributes
    ----------
    verdicts
        One for each request, in their order.
    stored
        Trades that are new in the store, ``market.schema.STORED``.
    error
        Why requests of which there is no verdict were not carried out.
    """

    verdicts: list[Verdict | None]
    stored: pa.Table
    error: OhlcvError | None = None


class Committer:
    """Stores what is posted.

    Parameters
    ----------
    project
        Whose store.
    ledger
        What was posted before.
    """

    def __init__(self, project: Project, ledger: Ledger) -> None:
        self._project = project
        self._ledger = ledger
        self._names = project.dataset.universe.names
        self._known = Known(lambda: project.trade_store, self._names)
        self._unsure = NOTHING

    def commit(self, posts: Sequence[Post]) -> Done:
        """Carry requests out; nothing is raised that the store or the ledger raises."""
        work, failed = _Work(posts), True
        try:
            self._store(work)
            self._remember(work)
            failed = False
        except OhlcvError as error:
            return Done(work.verdicts(failed=True), work.stored.table(self._names), error)
        finally:
            if failed:
                self._known.forget()
        return Done(work.verdicts(failed=False), work.stored.table(self._names))

    def _store(self, work: _Work) -> None:
        """Judge requests and store what is new of them, while nobody else changes their days."""
        store = self._project.trade_store
        days = days_of(joined([work.trades, self._unsure]))
        with self._project.store_session():
            # Whoever loads a day holds it for long, and what is posted to it is refused anyway.
            opened = sorted(days - self._known.seem_closed(days))
            with store.holding(opened) as hold:
                self._known.begin(hold, opened)
                self._store_held(work, hold, days)

    def _store_held(self, work: _Work, hold: Hold, days: set[dt.date]) -> None:
        work.stored = self._settled()
        closed = frozenset(days - self._known.opened())
        self._answered_before(work)
        self._judge(work, closed)
        self._refuse_other_ids(work, closed)
        fresh = work.trades.at(work.placed.ts).take(work.placed.fresh)
        if len(fresh) > 0:
            # Until the store says that it has them, it may have some of them.
            self._unsure = fresh
            self._project.trade_store.append(fresh.table(self._names), free=True)
            work.stored, self._unsure = joined([work.stored, fresh]), NOTHING
            self._known.added(hold, fresh)

    def _settled(self) -> Columns:
        """Return those trades which the store has though storing them failed: nobody was told of them."""
        if len(self._unsure) == 0:
            return NOTHING
        found = self._known.look(self._unsure)
        meant = dict(zip(self._unsure.keys(), self._unsure.contents(), strict=True))
        ours = [meant[key] == content for key, content in zip(found.keys(), found.contents(), strict=True)]
        there = found.take(np.array(ours, np.bool_))
        # InfluxDB shows what it could not write to its disk, until it is restarted: it has to take it once more.
        again = there.take(np.isin(there.ts // DAY, [_day_number(day) for day in self._known.opened()]))
        if len(again) > 0:
            self._project.trade_store.append(again.table(self._names))
        self._unsure = NOTHING
        return there

    def _answered_before(self, work: _Work) -> None:
        """Answer what was posted under the same key before: the same way, or not at all where it was something else."""
        keys = {number: _named(post.caller, post.key) for number, post in enumerate(work.posts) if post.key is not None}
        known = self._ledger.requests(keys.values()) if keys else {}
        first: dict[str, int] = {}
        for number, key in keys.items():
            post = work.posts[number]
            if key in known:
                same = known[key].body == post.body
                work.decide(number, Carried(_unpacked(known[key].outcome, post.trades), again=True) if same else _TAKEN)
            elif key in first:
                # The same key twice in one commit: the second gets what the first will get.
                same = work.posts[first[key]].body == post.body
                if same:
                    work.twins[number] = first[key]
                else:
                    work.decide(number, _TAKEN)
            else:
                first[key] = number

    def _judge(self, work: _Work, closed: frozenset[dt.date]) -> None:
        """Place all trades; requests with one that cannot be stored are out, and the others placed again."""
        while True:
            placed = place(work.trades, _opened(work.trades, closed), self._known.look)
            refused = placed.outcome == REFUSED
            if not refused.any():
                work.placed = placed
                return
            for number, rows in work.pieces():
                if refused[rows].any():
                    worst = np.flatnonzero(refused[rows])
                    days = work.posts[number].trades.ts[worst] // DAY
                    shut = np.isin(days, [_day_number(day) for day in closed])
                    reason, which = ("closed", worst[shut]) if shut.any() else ("crowded", worst)
                    work.decide(number, Conflict(reason, which))

    def _refuse_other_ids(self, work: _Work, closed: frozenset[dt.date]) -> None:
        """Take out requests with an id that stands for another trade, here or in the ledger."""
        named = {number: self._ids_of(work.posts[number]) for number, _ in work.pieces()}
        if not any(named.values()):
            return
        known = self._ledger.trades({name for found in named.values() for _, name, _ in found})
        anybody = False
        for number, found in named.items():
            mine: dict[str, bytes] = {}
            wrong = [row for row, name, record in found if known.get(name, mine.setdefault(name, record)) != record]
            if wrong:
                work.decide(number, Conflict("id", np.array(wrong, np.intp)))
                anybody = True
            else:
                known |= mine
                work.ids |= mine
        if anybody:
            self._judge(work, closed)

    def _ids_of(self, post: Post) -> list[tuple[int, str, bytes]]:
        """Return row, name in the ledger and record of each trade with an id: an id is one of a symbol."""
        if post.ids is None:
            return []
        numbers, records = post.trades.symbol.tolist(), post.trades.records()
        return [
            (row, _named(post.caller, self._names[numbers[row]], given), records[row])
            for row, given in enumerate(post.ids)
            if given is not None
        ]

    def _remember(self, work: _Work) -> None:
        requests = {}
        for number, rows in work.pieces():
            post = work.posts[number]
            if post.key is not None:
                outcome = _packed(Placed(work.placed.outcome[rows], work.placed.ts[rows]), post.trades)
                requests[_named(post.caller, post.key)] = Remembered(post.body, outcome)
        self._ledger.remember(work.ids, requests)


_TAKEN = Conflict("key", np.empty(0, np.intp))


@dataclass(slots=True)
class _Work:
    """The requests of a commit, and what is decided and stored so far; the trades are those of undecided requests."""

    posts: Sequence[Post]
    decided: dict[int, Verdict] = field(default_factory=dict)
    twins: dict[int, int] = field(default_factory=dict)
    ids: dict[str, bytes] = field(default_factory=dict)
    placed: Placed = field(default_factory=lambda: Placed(np.empty(0, np.int8), np.empty(0, np.int64)))
    stored: Columns = NOTHING
    _trades: Columns | None = None

    @property
    def trades(self) -> Columns:
        if self._trades is None:
            self._trades = joined([self.posts[number].trades for number, _ in self.pieces()])
        return self._trades

    def decide(self, number: int, verdict: Verdict) -> None:
        self.decided[number], self._trades = verdict, None

    def pieces(self) -> list[tuple[int, slice]]:
        """Return the requests that are not decided, and where their trades are."""
        found, at = [], 0
        for number, post in enumerate(self.posts):
            if number not in self.decided and number not in self.twins:
                found.append((number, slice(at, at + len(post.trades))))
                at += len(post.trades)
        return found

    def verdicts(self, *, failed: bool) -> list[Verdict | None]:
        """Return what becomes of each request; None where something failed."""
        told: dict[int, Verdict] = dict(self.decided)
        if not failed:
            told |= {
                number: Carried(Placed(self.placed.outcome[rows], self.placed.ts[rows]))
                for number, rows in self.pieces()
            }
        for number, first in self.twins.items():
            same = told.get(first)
            if same is not None:
                told[number] = Carried(same.placed, again=True) if isinstance(same, Carried) else same
        return [told.get(number) for number in range(len(self.posts))]


def _opened(trades: Columns, closed: Iterable[dt.date]) -> NDArray[np.bool_]:
    """Return which trades are of days that are not closed."""
    found: NDArray[np.bool_] = ~np.isin(trades.ts // DAY, [_day_number(day) for day in closed])
    return found


def _day_number(day: dt.date) -> int:
    return (day - dt.date(1970, 1, 1)).days


def _named(*parts: str) -> str:
    """Return a name that no other parts have; without control characters, which SQLite's JSON ends at."""
    return orjson.dumps(parts).decode()


def _packed(placed: Placed, trades: Columns) -> bytes:
    """Return an outcome as bytes; the instants themselves are in the body."""
    return zlib.compress(placed.outcome.tobytes() + (placed.ts - trades.ts).tobytes(), 1)


def _unpacked(packed: bytes, trades: Columns) -> Placed:
    whole, rows = zlib.decompress(packed), len(trades)
    return Placed(np.frombuffer(whole, np.int8, rows), trades.ts + np.frombuffer(whole, np.int64, rows, rows))
