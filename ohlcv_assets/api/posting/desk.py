"""The queue of what is posted: one commit at a time takes all that waits, so that many small requests cost one.

What belongs here: waiting, bounded, and telling everybody what became of theirs. What does not: the commit itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import pyarrow as pa

from ohlcv_assets.api.pool import OverloadedError, Pool
from ohlcv_assets.api.posting.commit import Done, Post, Verdict
from ohlcv_assets.errors import OhlcvError, StoreRejectedError
from ohlcv_assets.logs import get_logger

COMMIT_ROWS: Final = 10_000
"""Trades of one commit, unless a single request has more."""

GATHER: Final = 0.02
"""Seconds at least between the beginnings of two commits while many post: commits as fast as they can leave requests no
processor to come in by. Who posts alone, one request after the other, does not wait."""

_FOR_EVER: Final = 86_400.0
"""A commit is waited for however long it takes: the next one must not begin before. Who posted may go sooner."""

Publish = Callable[[pa.Table], Awaitable[None]]
Waiting = tuple[Post, "asyncio.Future[Verdict]"]


class Desk:
    """Takes what is posted, for as long as it runs.

    Parameters
    ----------
    pool
        Runs commits.
    commit
        Carries requests out; blocks.
    publish
        Told of trades that were stored.
    most
        Trades that may wait.
    """

    def __init__(
        self,
        pool: Pool,
        commit: Callable[[Sequence[Post]], Done],
        publish: Publish,
        most: int,
    ) -> None:
        self._pool = pool
        self._commit = commit
        self._publish = publish
        self._most = most
        self._queue: deque[Waiting] = deque()
        self._rows = 0
        self._came = asyncio.Event()

    async def post(self, post: Post) -> Verdict:
        """Wait until a request was carried out, or not.

        Raises
        ------
        OverloadedError
            Too many trades wait already.
        StoreError, MachineError
            The store or the ledger failed; some trades may be stored, and posting the same again completes it.
        """
        if self._rows > 0 and self._rows + len(post.trades) > self._most:
            raise OverloadedError(f"{self._rows} trades wait to be stored already; post again later.")
        told: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._queue.append((post, told))
        self._rows += len(post.trades)
        self._came.set()
        return await told

    async def run(self) -> None:
        """Carry out what is posted until cancelled."""
        group: list[Waiting] = []
        try:
            while True:
                await self._came.wait()
                self._came.clear()
                while group := self._next_group():
                    began = time.monotonic()
                    await self._carry_out(group)
                    if len(group) > 1 or self._queue:
                        await asyncio.sleep(max(0.0, began + GATHER - time.monotonic()))
        finally:
            for _, told in (*group, *self._queue):
                with contextlib.suppress(asyncio.InvalidStateError):  # the request has gone before
                    told.set_exception(OverloadedError("The service stops."))
            self._queue.clear()
            self._rows = 0

    def _next_group(self) -> list[Waiting]:
        """Return what the next commit takes: in order, but for those whose request has gone."""
        group: list[Waiting] = []
        rows = 0
        while self._queue and (not group or rows + len(self._queue[0][0].trades) <= COMMIT_ROWS):
            post, told = self._queue.popleft()
            self._rows -= len(post.trades)
            if not told.done():
                group.append((post, told))
                rows += len(post.trades)
        return group

    async def _carry_out(self, group: Sequence[Waiting]) -> None:
        posts = [post for post, _ in group]
        try:
            done = await self._pool.ask("post", lambda: self._commit(posts), _FOR_EVER)
        except Exception as error:  # noqa: BLE001 -- whoever waits is told, and others may still post
            _tell(group, [None] * len(group), error)
            return
        left = [number for number, verdict in enumerate(done.verdicts) if verdict is None]
        # The store may refuse one request for what is in it; the others must not go under with that one.
        apart = left if len(left) > 1 and isinstance(done.error, StoreRejectedError) else []
        told = [number for number in range(len(group)) if number not in apart]
        _tell([group[number] for number in told], [done.verdicts[number] for number in told], done.error)
        await self._pass_on(done.stored)
        for number in apart:
            await self._carry_out([group[number]])

    async def _pass_on(self, stored: pa.Table) -> None:
        if stored.num_rows > 0:
            try:
                await self._publish(stored)
            except OhlcvError as error:
                get_logger("api").warning("Trades were stored of which nobody was told.", error=str(error))


def _tell(group: Sequence[Waiting], verdicts: Sequence[Verdict | None], error: Exception | None) -> None:
    for (_, told), verdict in zip(group, verdicts, strict=True):
        with contextlib.suppress(asyncio.InvalidStateError):  # the request has gone meanwhile
            if verdict is not None:
                told.set_result(verdict)
            else:
                told.set_exception(error or OverloadedError("The request was not carried out."))
