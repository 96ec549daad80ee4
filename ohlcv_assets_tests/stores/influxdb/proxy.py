"""A proxy between a loader and a server that does to their exchanges whatever a script says.

What belongs here: passing requests on. What does not: the faults themselves (``faulty``).
"""

from __future__ import annotations

from typing import Final

import urllib3

from ohlcv_assets_tests.stores.influxdb.faulty import Answer, FaultyServer, Request

_OF_ONE_CONNECTION: Final = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "host"}


class Proxy(FaultyServer):
    """Passes every request on to another server and its reply back, but for the faults in ``script``.

    Parameters
    ----------
    upstream
        Address of the server, without a slash at the end.
    """

    def __init__(self, upstream: str) -> None:
        super().__init__()
        self.upstream = upstream
        self._pool = urllib3.PoolManager(maxsize=32, retries=False, timeout=60.0)

    def carry_out(self, request: Request) -> Answer:
        """Pass a request on."""
        headers = {name: value for name, value in request.headers.items() if name not in _OF_ONE_CONNECTION}
        try:
            reply = self._pool.request(
                request.method,
                f"{self.upstream}{request.target}",
                body=request.body,
                headers=headers,
                redirect=False,
                decode_content=False,
            )
        except urllib3.exceptions.HTTPError:
            return Answer(502, {"Content-Type": "text/plain"}, b"the server behind the proxy does not answer")
        kept = {name: value for name, value in reply.headers.items() if name.lower() not in _OF_ONE_CONNECTION}
        return Answer(reply.status, kept, reply.data)
