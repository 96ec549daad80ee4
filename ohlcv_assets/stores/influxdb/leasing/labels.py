"""Labels of the organisation, used as marks that several processes agree on.

What belongs here: making, finding, changing and removing labels. What does not: what they stand for (``leases``).

InfluxDB makes a label in one transaction and refuses a second of the same name, gives each an id that is never used
again, and sends its clock with every reply. That is all that agreeing needs: of several who make a label of one name
one succeeds, and of several who remove a label by its id one does.
"""

from __future__ import annotations

import email.utils
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, cast

from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.failures import Reply, error_of, failure_of_reply

BRISK: Final = 5.0
"""Seconds for a request that is not repeated."""

_PATH: Final = "/api/v2/labels"
_GONE: Final = frozenset({int(HTTPStatus.NOT_FOUND)})
_EXISTS: Final = frozenset({int(HTTPStatus.UNPROCESSABLE_ENTITY)})


@dataclass(frozen=True, slots=True)
class Label:
    """A label as the server has it."""

    id: str
    name: str
    properties: Mapping[str, str]


def seconds_since_boot() -> float:
    """Return a clock that nobody sets, and that goes on while the machine sleeps where there is such a one."""
    boot: int | None = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


class ServerClock:
    """The server's clock, bounded from above: what it cannot have passed yet.

    A reply's ``Date`` is cut to the second and was made after the request was sent; from there our own clock, which
    nobody sets, counts on. What time this machine believes it is does not enter.

    Parameters
    ----------
    tick
        A clock of this machine, in seconds from any beginning.
    """

    def __init__(self, tick: Callable[[], float] = seconds_since_boot) -> None:
        self.tick = tick
        self._ahead: float | None = None

    @property
    def known(self) -> bool:
        """Whether the server has been heard."""
        return self._ahead is not None

    def heard(self, date: float, asked: float) -> None:
        """Take notice of a ``Date``, asked for at a tick."""
        self._ahead = date + 1 - asked

    def latest(self) -> float:
        """Return seconds since 1970 that the server's clock has not passed."""
        return self.tick() + (self._ahead or 0.0)


class Labels:
    """The labels of one organisation.

    Parameters
    ----------
    connection
        The way to the server.
    clock
        Is set by every reply.

    Attributes
    ----------
    ended
        Leases of others that were seen to be over, by id: when they were to expire, and the tick since when.
    """

    def __init__(self, connection: Connection, clock: ServerClock) -> None:
        self._connection = connection
        self._clock = clock
        self.ended: dict[str, tuple[str, float]] = {}

    @property
    def server(self) -> str:
        """The server's address."""
        return self._connection.address.url

    def ask_the_time(self) -> None:
        """Set the clock by the server's."""
        self._call("GET", "/ping", "tell the time")

    def create(self, name: str, properties: Mapping[str, str]) -> Label | None:
        """Make a label, or return None where there is one of that name.

        A label that was made by a request whose reply was lost is there too: the caller has to look whose it is.
        """
        document = {"orgID": self._connection.org_id(), "name": name, "properties": dict(properties)}
        reply = self._call("POST", _PATH, "make a lease", document=document, accept=_EXISTS)
        if reply.passed:
            return _label(reply.document().get("label"))
        if reply.document().get("code") != "conflict":
            raise error_of(failure_of_reply(reply), "make a lease", self.server)
        return None

    def all(self, prefix: str) -> tuple[list[Label], float]:
        """Return the labels whose names begin so, and the server's clock, cut to the second."""
        return self._find(prefix, {})

    def named(self, name: str) -> tuple[Label | None, float]:
        """Return the label of a name, and the server's clock, cut to the second."""
        found, now = self._find(name, {"name": name})
        return next((label for label in found if label.name == name), None), now

    def change(self, id_: str, properties: Mapping[str, str], *, brisk: bool = False, patience: float = 0.0) -> bool:
        """Set properties of a label, those not named stay; return False where there is no such label any more.

        Brisk, it is repeated for ``patience`` seconds only.
        """
        document = {"properties": dict(properties)}
        path = f"{_PATH}/{id_}"
        return self._call(
            "PATCH", path, "renew a lease", document=document, accept=_GONE, brisk=brisk, patience=patience
        ).passed

    def remove(self, id_: str, *, brisk: bool = False, patience: float = 0.0) -> bool:
        """Remove a label; return False where there is no such label any more.

        Brisk, it is repeated for ``patience`` seconds only.
        """
        path = f"{_PATH}/{id_}"
        return self._call("DELETE", path, "end a lease", accept=_GONE, brisk=brisk, patience=patience).passed

    def _find(self, prefix: str, query: Mapping[str, str]) -> tuple[list[Label], float]:
        whole = {"orgID": self._connection.org_id(), **query}
        reply = self._call("GET", _PATH, "look for leases", query=whole)
        found = [_label(entry) for entry in cast("list[object]", reply.document().get("labels") or [])]
        return [label for label in found if label.name.startswith(prefix)], _date(reply)

    def _call(
        self,
        method: str,
        path: str,
        doing: str,
        *,
        query: Mapping[str, str] | None = None,
        document: object = None,
        accept: frozenset[int] = frozenset(),
        brisk: bool = False,
        patience: float = 0.0,
    ) -> Reply:
        asked = self._clock.tick()
        limits = {"timeout": BRISK, "patience": patience} if brisk else {"timeout": None, "patience": None}
        reply = self._connection.call(
            method, path, doing=doing, query=query, document=document, accept=accept, **limits
        )
        self._clock.heard(_date(reply), asked)
        return reply


def _label(found: object) -> Label:
    entry = cast("dict[str, object]", found)
    return Label(str(entry["id"]), str(entry["name"]), cast("dict[str, str]", entry.get("properties") or {}))


def _date(reply: Reply) -> float:
    return email.utils.parsedate_to_datetime(reply.headers["date"]).timestamp()
