"""One client of the live stream: what it asks, what it is sent, how its connection ends.

What belongs here: a connection. What does not: the form of frames (``frames``), topics (``live.topics``, ``hub``).

Nothing is queued for a client. A subscription knows the number of the last change that was sent; what changed since is
asked of the topic when the connection takes another frame. So a client that reads slowly gets fewer and fuller frames,
and one that does not read at all costs nothing until it is cut off.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from starlette.websockets import WebSocketDisconnect

from ohlcv_assets.api.gate import Caller
from ohlcv_assets.api.problems import ProblemError, problem_of
from ohlcv_assets.api.stream import frames
from ohlcv_assets.api.stream.frames import Authenticate, BadFrameError, Place, Subscribe
from ohlcv_assets.bars.resolutions import RESOLUTIONS
from ohlcv_assets.errors import OhlcvError, StoreError

if TYPE_CHECKING:
    from ohlcv_assets.api.stream.hub import Hub
    from ohlcv_assets.live.topics import Topic

MOST_SUBSCRIPTIONS: Final = 100
"""Of one client at a time."""

INTRODUCTION: Final = 10.0
"""Seconds that a client has to say who it is where that is needed."""

AGAIN: Final = 1.0
"""Seconds, give or take, until the store is asked again for what a subscription begins with."""

NO_KEY, SLOW = 1008, 4000
"""Codes that connections are closed with."""

_GONE: Final = (OSError, RuntimeError, WebSocketDisconnect)
"""What sending ends in where the connection is closed; whoever receives is told."""

Send = Callable[[str], Awaitable[None]]
Close = Callable[[int, str], Awaitable[None]]


def cannot_now(_: str) -> bool:
    """Send nothing."""
    return False


@dataclass(frozen=True, slots=True)
class Ways:
    """What a connection offers.

    Attributes
    ----------
    send
        Sends a text frame; waits as long as the client does not read.
    close
        Closes the connection with a code and a reason.
    send_now
        Sends a text frame without waiting, or returns False.
    """

    send: Send
    close: Close
    send_now: Callable[[str], bool] = cannot_now


class Subscription:
    """A client follows a topic.

    Parameters
    ----------
    client, request, topic
        Who, as what, what.
    """

    def __init__(self, client: Client, request: Subscribe, topic: Topic) -> None:
        self.request = request
        self.topic = topic
        self.sent = 0
        self._client = client

    def wake(self) -> None:
        """Have the client send what is new."""
        self._client.wake(self)


class Client:
    """A connection that was accepted.

    Parameters
    ----------
    hub
        Where it is.
    caller
        Who it is, as far as is known.
    key
        The key that it came with.
    ways
        The connection itself.
    """

    def __init__(self, hub: Hub, caller: Caller, key: str | None, ways: Ways) -> None:
        self._hub = hub
        self._service = hub.service
        self._caller = caller
        self._key = key
        self._ways = ways
        self._since = self._last = self._judged = time.monotonic()
        self._turn = asyncio.Lock()
        self._sending: float | None = None
        self._subscriptions: dict[int, Subscription] = {}
        self._beginning: dict[int, asyncio.Task[None]] = {}
        self._news: dict[Subscription, None] = {}
        self._beat: str | None = None
        self._writer: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None

    async def greet(self) -> None:
        """Say hello."""
        settings = self._service.settings
        await self._send(frames.hello(self._hub.stream, settings.serve_heartbeat), "hello")

    async def take(self, text: str | bytes) -> None:
        """Do what a frame asks."""
        while (wait := self._service.limiter.take(self._caller.name)) > 0:  # noqa: ASYNC110 -- nobody tells when
            await asyncio.sleep(wait)
        try:
            request = frames.request_of(text)
            match request:
                case Authenticate():
                    self._authenticate(request.key)
                case Subscribe():
                    self._subscribe(request)
                case _:
                    self._unsubscribe(request.id)
        except BadFrameError as error:
            await self._send(frames.error(error.number, error.problem), "error")
        except ProblemError as problem:
            number = request.id if isinstance(request, Subscribe) else None
            await self._send(frames.error(number, problem), "error")
            if problem.kind == "key-required":
                self.end(NO_KEY, problem.detail)

    def wake(self, subscription: Subscription) -> None:
        """Send what is new of a subscription as soon as the connection takes it."""
        if not (self._idle and self._sent_now(subscription)):
            self._news[subscription] = None
            self._write()

    @property
    def _idle(self) -> bool:
        """Whether nothing is on its way or waits to be sent."""
        return self._writer is None and self._ending is None and not self._turn.locked()

    def look(self, now: float, beat: str, pulse: float) -> None:
        """See whether the client is alive and welcome; give a sign of life where nothing else was sent.

        Parameters
        ----------
        now
            By the monotonic clock.
        beat
            The sign of life.
        pulse
            Seconds until the next look.
        """
        settings = self._service.settings
        if self._sending is not None and now - self._sending > settings.serve_stream_patience:
            self.end(SLOW, "Frames were read too slowly.")
        elif not self._caller.may("read"):
            if now - self._since > INTRODUCTION:
                self.end(NO_KEY, "Nothing was said about who asks.")
        elif self._key is not None and now - self._judged > settings.serve_heartbeat:
            self._judged = now
            if self._service.keys.find(self._key) is None:
                self.end(NO_KEY, "The key was revoked.")
        # The next look may be a little late.
        if now - self._last > settings.serve_heartbeat - 2 * pulse:
            if self._idle and self._ways.send_now(beat):
                self._last = now
                self._service.telemetry.stream_frames.labels("heartbeat").inc()
            else:
                self._beat = beat
                self._write()

    def end(self, code: int, reason: str) -> None:
        """Close the connection."""
        if self._ending is None:
            self._service.telemetry.streams_ended.labels(str(code)).inc()
            self._ending = asyncio.create_task(self._end(code, reason))

    async def gone(self) -> None:
        """Leave nothing behind."""
        for one in self._subscriptions.values():
            one.topic.followers.discard(one)
        tasks = [*self._beginning.values(), *filter(None, [self._writer, self._ending])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _authenticate(self, text: str) -> None:
        key = self._service.keys.find(text)
        if key is None:
            raise ProblemError("key-required", "There is no such key, or it was revoked.")
        self._caller, self._key = Caller(f"key {key.id}", key.role), text

    def _subscribe(self, request: Subscribe) -> None:
        if not self._caller.may("read"):
            raise ProblemError("key-required", "This needs a key: send it in a frame of the op authenticate.")
        try:
            symbol = self._service.symbol(request.symbol)
        except OhlcvError as error:
            raise problem_of(error) from None
        self._unsubscribe(request.id)
        if len(self._beginning.keys() | self._subscriptions.keys()) >= MOST_SUBSCRIPTIONS:
            raise ProblemError("invalid", f"A connection has at most {MOST_SUBSCRIPTIONS} subscriptions.")
        resolution = None if request.resolution is None else RESOLUTIONS[request.resolution]
        one = Subscription(self, request, self._hub.topic(symbol, resolution))
        self._begin(one, request.resume)

    def _unsubscribe(self, number: int) -> None:
        task = self._beginning.pop(number, None)
        if task is not None:
            task.cancel()
        one = self._subscriptions.pop(number, None)
        if one is not None:
            one.topic.followers.discard(one)
            self._news.pop(one, None)

    def _begin(self, one: Subscription, resume: Place | None) -> None:
        """Send what a subscription begins with, and follow from there."""
        number = one.request.id
        task = asyncio.create_task(self._follow(one, resume))
        self._beginning[number] = task
        task.add_done_callback(lambda done: self._begun(number, done))

    def _begun(self, number: int, task: asyncio.Task[None]) -> None:
        if self._beginning.get(number) is task:
            del self._beginning[number]

    async def _follow(self, one: Subscription, resume: Place | None) -> None:
        topic, resumed = one.topic, None
        if resume is not None and resume.stream == self._hub.stream:
            resumed = topic.changed(resume.seq)
        if resumed is not None:
            one.sent, body = topic.seq, resumed
        else:
            one.sent, body = await self._first(one)
        await self._send(frames.snapshot(one.request, one.sent, body, resumed=resumed is not None), "snapshot")
        self._subscriptions[one.request.id] = one
        topic.followers.add(one)
        if topic.seq > one.sent:
            self.wake(one)

    async def _first(self, one: Subscription) -> tuple[int, str]:
        """Return what a subscription begins with, however long the store is away."""
        symbol = self._service.symbol(one.request.symbol)
        while True:
            try:
                return await self._hub.latest(symbol, one.topic)
            except StoreError:
                await asyncio.sleep(AGAIN * (0.5 + random.random()))  # noqa: S311 -- spreads clients out

    def _write(self) -> None:
        if self._writer is None and self._ending is None:
            self._writer = asyncio.create_task(self._write_all())

    async def _write_all(self) -> None:
        """Send until there is nothing new."""
        try:
            while self._news or self._beat is not None:
                if self._news:
                    one = next(iter(self._news))
                    del self._news[one]
                    await self._send_news(one)
                else:
                    beat, self._beat = self._beat or "", None
                    await self._send(beat, "heartbeat")
        finally:
            self._writer = None

    def _sent_now(self, one: Subscription) -> bool:
        """Send what is new of a subscription without waiting; return False where it cannot be."""
        topic = one.topic
        text = topic.frame(one.request.id, one.sent) if topic.seq > one.sent else None
        if text is None or not self._ways.send_now(text):
            return False
        one.sent, self._beat, self._last = topic.seq, None, time.monotonic()
        self._service.telemetry.updates.inc()
        self._service.telemetry.stream_lag.observe(self._last - topic.at)
        return True

    async def _send_news(self, one: Subscription) -> None:
        topic = one.topic
        if topic.seq <= one.sent:
            return
        text = topic.frame(one.request.id, one.sent)
        if text is not None:
            one.sent = topic.seq
            at = topic.at
            await self._send(text, "update")
            self._service.telemetry.stream_lag.observe(time.monotonic() - at)
        elif one.request.channel == "trades":
            self.end(SLOW, "Trades came faster than they were read.")
        else:
            # What was missed is not known any more: as for one who comes anew.
            self._unsubscribe(one.request.id)
            self._begin(one, None)

    async def _send(self, text: str, kind: str) -> None:
        async with self._turn:
            if self._ending is not None:
                return
            self._beat = None
            self._sending = time.monotonic()
            try:
                await self._ways.send(text)
            except _GONE:
                return
            finally:
                self._sending = None
        self._last = time.monotonic()
        self._service.telemetry.stream_frames.labels(kind).inc()

    async def _end(self, code: int, reason: str) -> None:
        with suppress(*_GONE):
            await self._ways.close(code, reason)
