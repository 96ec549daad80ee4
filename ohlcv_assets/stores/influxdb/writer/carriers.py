"""Who takes a body to the server: our own connections, or the official client.

What belongs here: one request, and its outcome in one form whoever carried it. What does not: what the outcome means
for the load (``sender``), and the official client itself (``client``).
"""

from __future__ import annotations

import zlib
from typing import Final, Protocol

import urllib3

from ohlcv_assets.stores.influxdb.connection import Address, Connection
from ohlcv_assets.stores.influxdb.failures import Failure, Reply, failure_of_exception
from ohlcv_assets.stores.influxdb.writer.plan import LoadPlan

_GZIP: Final = 16 + zlib.MAX_WBITS
_FASTEST: Final = 1


class Carrier(Protocol):
    """Takes bodies to one server; safe to use from several threads."""

    def send(self, bucket: str, body: bytes, *, gzipped: bool) -> Reply | Failure:
        """Send one request once.

        Parameters
        ----------
        bucket
            Name of the bucket.
        body
            Line protocol with nanoseconds, compressed or not.
        gzipped
            Whether it is.

        Returns
        -------
        Reply or Failure
            What the server said, whatever its status; or what happened to the connection, and then the outcome is
            unknown.
        """
        ...

    def abort(self) -> None:
        """Break off requests under way; their outcome is unknown."""
        ...

    def close(self) -> None:
        """Close kept-alive connections; a later request opens new ones."""
        ...


def compressed(body: bytes) -> bytes:
    """Return a body as gzip of level 1: higher levels cost more time than they save on the way."""
    packer = zlib.compressobj(_FASTEST, zlib.DEFLATED, _GZIP)
    return packer.compress(body) + packer.flush()


def carrier_of(address: Address, plan: LoadPlan) -> Carrier:
    """Return the carrier that a plan asks for; no request of it takes longer than the load's deadline."""
    timeout = min(plan.timeout, plan.deadline)
    if plan.carrier == "client":
        # The client takes most of a second to import, which nobody else needs to wait for.
        from ohlcv_assets.stores.influxdb.writer.client import ClientCarrier  # noqa: PLC0415 -- as just said

        return ClientCarrier(address, plan.connections, timeout)
    return NativeCarrier(address, plan.connections, timeout)


class NativeCarrier:
    """Our own kept-alive connections; others than those of the store, so that records and leases never wait for them.

    Parameters
    ----------
    address
        Where and how.
    connections
        Most requests at a time; a further one waits.
    timeout
        Seconds until there has to be an answer.
    """

    def __init__(self, address: Address, connections: int, timeout: float) -> None:
        self._connection = Connection(address, connections)
        self._timeout = timeout

    def send(self, bucket: str, body: bytes, *, gzipped: bool) -> Reply | Failure:
        """See ``Carrier``."""
        headers = {"Content-Type": "text/plain; charset=utf-8"} | ({"Content-Encoding": "gzip"} if gzipped else {})
        query = {"org": self._connection.address.org, "bucket": bucket, "precision": "ns"}
        try:
            return self._connection.send(
                "POST", "/api/v2/write", query=query, body=body, headers=headers, timeout=self._timeout
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return failure_of_exception(error)

    def abort(self) -> None:
        """See ``Carrier``."""
        self._connection.abort()

    def close(self) -> None:
        """See ``Carrier``."""
        self._connection.close()
