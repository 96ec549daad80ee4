"""A server of labels in memory, and participants whose requests are let through one at a time in a chosen order.

What belongs here: that model. What does not: what participants do, and what must hold (``test_lease_protocol``).
"""

from __future__ import annotations

import email.utils
import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, cast

from ohlcv_assets.stores.influxdb.connection import Address, Connection
from ohlcv_assets.stores.influxdb.failures import Reply
from ohlcv_assets.stores.influxdb.leasing.holders import Terms
from ohlcv_assets.stores.influxdb.leasing.labels import ServerClock
from ohlcv_assets.stores.influxdb.leasing.lease import DayLease
from ohlcv_assets.stores.influxdb.leasing.leases import Leases

BEGIN = 1_700_000_000.5
"""The server's clock when a model begins."""


class KilledError(BaseException):
    """The participant's process is gone."""


@dataclass
class Model:
    """Labels, and a time that passes with every request, and with waiting when everybody waits.

    Attributes
    ----------
    now
        Seconds since the model began.
    wait
        Called before every request, and with the instant to wait for; where a participant may be held up.
    """

    now: float = 0.0
    wait: Callable[[float], None] = field(default=lambda _until: None)
    labels: dict[str, dict[str, Any]] = field(default_factory=dict)  # Any: a JSON document
    _last: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def leases(self, terms: Terms, clock_is_off: float = 0.0) -> Leases:
        """Return the leases of one more participant, whose own clock shows another time."""
        clock = ServerClock(lambda: self.now + clock_is_off)
        return Leases(cast("Connection", Wire(self)), "trades", terms, sleep=self.sleep, clock=clock)

    def step(self) -> None:
        """Let others go first, or not."""
        self.wait(self.now)

    def sleep(self, seconds: float) -> None:
        """Wait as a living process does, whose thread renews meanwhile."""
        self.nap(seconds)
        for keep in getattr(_here, "keepers", ()):
            keep()

    def nap(self, seconds: float) -> None:
        """Wait as a process does that has been stopped."""
        until = self.now + seconds
        self.wait(until)
        self.now = max(self.now, until)

    def carry_out(self, method: str, path: str, document: dict[str, Any]) -> Reply:
        """Answer one request, as the real server does."""
        with self._lock:
            self.now += 0.003
            status, body = self._answer(method, path.removeprefix("/api/v2/labels").removeprefix("/"), document)
            date = email.utils.formatdate(int(BEGIN + self.now), usegmt=True)
        return Answer(status, {"date": date}, b"", body)

    def _answer(self, method: str, identity: str, document: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if method == "GET":
            return HTTPStatus.OK, {"labels": [{**label} for label in self.labels.values()]}
        if method == "POST":
            if any(label["name"] == document["name"] for label in self.labels.values()):
                return HTTPStatus.UNPROCESSABLE_ENTITY, {"code": "conflict"}
            self._last += 1
            self.labels[str(self._last)] = {"id": str(self._last), **document}
            return HTTPStatus.CREATED, {"label": {**self.labels[str(self._last)]}}
        if identity not in self.labels:
            return HTTPStatus.NOT_FOUND, {}
        if method == "DELETE":
            del self.labels[identity]
            return HTTPStatus.NO_CONTENT, {}
        label = self.labels[identity]
        label["properties"] = {**label["properties"], **document["properties"]}
        return HTTPStatus.OK, {"label": {**label}}


class Answer(Reply):
    """A reply whose document is there already."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes, document: dict[str, Any]) -> None:
        super().__init__(status, headers, body)
        object.__setattr__(self, "_document", document)

    def document(self) -> dict[str, object]:
        """Return it."""
        return cast("dict[str, object]", object.__getattribute__(self, "_document"))


@dataclass
class Wire:
    """A participant's way to the model: what of a ``Connection`` leases use."""

    model: Model
    address: Address = field(default_factory=lambda: Address("http://model", "org"))

    def org_id(self) -> str:
        """Return some id."""
        return "org"

    def call(self, method: str, path: str, *, document: Any = None, **_limits: object) -> Reply:  # Any: as above
        """Wait for one's turn, then have the request carried out."""
        self.model.step()
        return self.model.carry_out(method, path, document or {})


def kept(model: Model, take: Callable[[DayLease], None]) -> Callable[[DayLease], None]:
    """Return ``DayLease.take`` such that waiting renews the lease, as its thread would do in real time."""

    def remember(lease: DayLease) -> None:
        due = [0.0]

        def keep() -> None:
            # Every few seconds is enough, as it is for the thread.
            if model.now >= due[0] and not lease._over:
                due[0] = model.now + 5.0
                lease.renew()

        _here.keepers = [*getattr(_here, "keepers", ()), keep]
        take(lease)

    return remember


class Turns:
    """Lets one of several threads go on at a time, in an order given beforehand.

    Parameters
    ----------
    model
        Whose time passes when everybody waits for a later instant.
    seed
        Of the order in which those who may go on do.
    """

    def __init__(self, model: Model, seed: int) -> None:
        self.model = model
        self._random = random.Random(seed)  # noqa: S311 -- an order, no secret
        self._waiting: dict[int, tuple[float, threading.Event]] = {}
        self._changed = threading.Condition()
        self._running: set[int] = set()
        self._kills: Mapping[int, int] = {}
        self._stops: Mapping[int, tuple[int, float]] = {}
        self._steps: Counter[int] = Counter()
        model.wait = self.wait

    def run(
        self,
        participants: Sequence[Callable[[], None]],
        kills: Mapping[int, int],
        stops: Mapping[int, tuple[int, float]],
    ) -> list[BaseException | None]:
        """Run all participants to their end and return what each of them raised.

        Parameters
        ----------
        participants
            What each of them does.
        kills
            After how many steps a participant's process is killed, by its number.
        stops
            At which step a participant's process is stopped and for how many seconds, by its number.
        """
        ends: list[BaseException | None] = [None] * len(participants)
        self._kills, self._stops = kills, stops
        self._running = set(range(len(participants)))
        threads = [threading.Thread(target=self._one, args=(me, act, ends)) for me, act in enumerate(participants)]
        for thread in threads:
            thread.start()
        self._let_them_go()
        for thread in threads:
            thread.join()
        return ends

    def wait(self, until: float) -> None:
        """Wait for one's turn, not before that instant; threads that take no part go on at once."""
        me = getattr(_here, "number", None)
        if me is None:
            return
        self._steps[me] += 1
        if self._steps[me] > self._kills.get(me, 10**9):
            raise KilledError
        step, seconds = self._stops.get(me, (0, 0.0))
        if self._steps[me] == step:
            until += seconds
        turn = threading.Event()
        with self._changed:
            self._waiting[me] = until, turn
            self._changed.notify_all()
        turn.wait()

    def _one(self, me: int, act: Callable[[], None], ends: list[BaseException | None]) -> None:
        _here.number = me
        try:
            self.model.step()
            act()
        except BaseException as error:  # noqa: BLE001 -- handed to the test
            ends[me] = error
        with self._changed:
            self._running.discard(me)
            self._changed.notify_all()

    def _let_them_go(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting.keys() == self._running)
                if not self._running:
                    return
                self.model.now = max(self.model.now, min(until for until, _ in self._waiting.values()))
                ready = sorted(me for me, (until, _) in self._waiting.items() if until <= self.model.now)
                chosen = self._random.choice(ready)
                _, turn = self._waiting.pop(chosen)
                turn.set()


_here = threading.local()
