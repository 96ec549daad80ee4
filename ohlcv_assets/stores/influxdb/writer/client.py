"""The official client as a carrier.

What belongs here: influxdb-client's synchronous write API, and its two families of exceptions in our form. What does
not: its batching mode, which loses data without a word, and its retries.
"""

from __future__ import annotations

import math
import threading
from http import HTTPStatus
from typing import Any, Final

import influxdb_client
import urllib3
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException

from ohlcv_assets.stores.influxdb.connection import Address, tls_context
from ohlcv_assets.stores.influxdb.failures import Failure, Reply, failure_of_exception
from ohlcv_assets.stores.influxdb.sockets import Sockets

_MILLISECONDS: Final = 1000
_LIBRARY: Final[Any] = influxdb_client  # Any: what it exports has no types


class ClientCarrier:
    """influxdb-client's synchronous write API.

    Its retries are off (they would not repeat a POST, or stop doing so three minutes after they were made), and so is
    its compression (level 9). Its exceptions quote headers and bodies, so none of them leaves this class.

    Parameters
    ----------
    address, connections, timeout
        See ``carriers.NativeCarrier``.
    """

    def __init__(self, address: Address, connections: int, timeout: float) -> None:
        self._address = address
        self._connections = connections
        self._timeout = timeout
        self._sockets = Sockets()
        self._lock = threading.Lock()
        self._client: Any = None  # Any: as above

    def send(self, bucket: str, body: bytes, *, gzipped: bool) -> Reply | Failure:
        """See ``carriers.Carrier``."""
        client = self._opened()
        org = self._address.org
        try:
            if gzipped:
                service = _LIBRARY.WriteService(client.api_client)
                service.post_write(org, bucket, body, content_encoding="gzip", precision="ns")
            else:
                client.write_api(SYNCHRONOUS).write(bucket, org, record=body)
        except ApiException as error:
            return _outcome(error)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return failure_of_exception(error)
        except UnicodeDecodeError:
            return Failure("transient", None, "the reply was no text")
        return Reply(HTTPStatus.NO_CONTENT, {}, b"")

    def abort(self) -> None:
        """See ``carriers.Carrier``."""
        self._sockets.shut()

    def close(self) -> None:
        """See ``carriers.Carrier``."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _opened(self) -> Any:  # as above
        with self._lock:
            if self._client is None:
                self._client = self._open()
            return self._client

    def _open(self) -> Any:  # as above
        token = self._address.token
        client = _LIBRARY.InfluxDBClient(
            url=self._address.url,
            token=None if token is None else token.get_secret_value(),
            org=self._address.org,
            timeout=math.ceil(self._timeout * _MILLISECONDS),
            retries=False,
            enable_gzip=False,
            ssl_context=tls_context(self._address),
            connection_pool_maxsize=self._connections,
        )
        self._sockets.watch(client.api_client.rest_client.pool_manager.connection_from_url(self._address.url))
        return client


def _outcome(error: ApiException) -> Reply | Failure:
    """Return what an exception of the client says; without a status there was no reply."""
    if not error.status:
        return Failure("transient", None, f"connection failed ({str(error.reason).splitlines()[0]})")
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    return Reply(error.status, headers, (error.body or "").encode())
