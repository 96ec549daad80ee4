"""A running service that trades are posted to.

What belongs here: requests, repeated where that helps, and every refusal in one sentence. What does not: which trades
and when (``replay``).

A request without an answer is sent again under the same idempotency key: whatever became of the first one, nothing is
stored twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import orjson
import pyarrow as pa
import urllib3
from pydantic import SecretStr

from ohlcv_assets.errors import ServiceError
from ohlcv_assets.stores.tables import nanos

ROUTE: Final = "/api/v1/trades"
TIMEOUT: Final = 60.0
"""Seconds for one answer."""

PATIENCE: Final = 60.0
"""Seconds for which a request is repeated."""

_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 10.0
_AGAIN: Final = frozenset({429, 502, 503, 504})
_MAKE_ONE: Final = "`ohlcv keys create NAME --role write` makes one, and OHLCV_SERVICE_KEY passes it on"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a service answered.

    Attributes
    ----------
    stored, moved, duplicates
        Trades that are new there, those among them at a later instant, and those that it had.
    repeats
        How often the request had to be sent again.
    """

    stored: int
    moved: int
    duplicates: int
    repeats: int = 0


class Target:
    """A service.

    Parameters
    ----------
    url
        Where it is.
    key
        What it lets us in by; None to try without.
    patience
        Seconds for which a request is repeated.
    sleep
        How to wait; tests pass their own.
    """

    def __init__(
        self,
        url: str,
        key: SecretStr | None,
        *,
        patience: float = PATIENCE,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.url = url.rstrip("/")
        self._key = key
        self._patience = patience
        self._sleep = sleep
        self._met = False
        self._pool = urllib3.PoolManager(timeout=TIMEOUT, retries=False)

    def post(self, trades: pa.Table, name: str) -> Receipt:
        """Post trades and wait for the answer.

        Parameters
        ----------
        trades
            ``market.schema.STORED``.
        name
            Idempotency key of the request.

        Raises
        ------
        ServiceError
            Nobody answers, or the trades are refused.
        """
        body, until, repeats, pause = _body(trades), time.monotonic() + self._patience, 0, _PAUSE
        while True:
            reply, reason = self._send(body, name)
            if reply is not None and reply.status not in _AGAIN:
                return self._receipt(reply, repeats)
            if time.monotonic() >= until or not self._met:
                raise ServiceError(f"No service takes trades at {self.url} ({reason}): {self._remedy()}")
            self._sleep(_asked(reply) or pause)
            repeats, pause = repeats + 1, min(2 * pause, _LONGEST_PAUSE)

    def close(self) -> None:
        """Close the connection."""
        self._pool.clear()

    def _send(self, body: bytes, name: str) -> tuple[urllib3.BaseHTTPResponse | None, str]:
        headers = {"Content-Type": "application/json", "Idempotency-Key": name}
        if self._key is not None:
            headers["X-API-Key"] = self._key.get_secret_value()
        try:
            reply = self._pool.request("POST", self.url + ROUTE, body=body, headers=headers, redirect=False)
        except urllib3.exceptions.HTTPError as error:
            return None, type(error).__name__
        self._met = True
        return reply, f"status {reply.status}"

    def _receipt(self, reply: urllib3.BaseHTTPResponse, repeats: int) -> Receipt:
        document = _document(reply)
        if reply.status in {HTTPStatus.OK, HTTPStatus.CREATED} and "stored" in document:
            return Receipt(document["stored"], document["moved"], document["duplicates"], repeats)
        raise ServiceError(self._refusal(reply.status, document))

    def _refusal(self, status: int, document: Mapping[str, Any]) -> str:  # Any: JSON
        """Say why trades were refused, and what to do."""
        said, kind = str(document.get("detail", "")), str(document.get("type", "")).rpartition(":")[2]
        if status == HTTPStatus.UNAUTHORIZED and self._key is None:
            return f"The service at {self.url} takes trades with a key alone: {_MAKE_ONE}."
        if status == HTTPStatus.UNAUTHORIZED:
            return f"The service at {self.url} does not know the key of OHLCV_SERVICE_KEY: {_MAKE_ONE}."
        if status == HTTPStatus.FORBIDDEN:
            return f"The key of OHLCV_SERVICE_KEY may not write at {self.url}: {_MAKE_ONE}."
        if kind == "closed":
            return f"The service at {self.url} takes no trades of that day. {said} --to DAY replays onto an open day."
        if not said:
            return f"What answers at {self.url} is no service of ohlcv (status {status}): correct --url."
        return f"The service at {self.url} refused the trades: {said}"

    def _remedy(self) -> str:
        return "try again later." if self._met else "start it with `ohlcv serve`, or name another with --url."


def _body(trades: pa.Table) -> bytes:
    names = ("symbol", "ts", "price", "amount", "side")
    columns = [
        trades["symbol"].to_pylist(),
        nanos(trades["ts"]).tolist(),
        *(trades[name].to_pylist() for name in names[2:]),
    ]
    return orjson.dumps([dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)])


def _document(reply: urllib3.BaseHTTPResponse) -> Mapping[str, Any]:  # Any: JSON
    try:
        found = orjson.loads(reply.data)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _asked(reply: urllib3.BaseHTTPResponse | None) -> float | None:
    """Return the seconds that a service asks us to wait."""
    text = "" if reply is None else reply.headers.get("Retry-After", "")
    return min(float(text), _LONGEST_PAUSE) if text.isdigit() else None
