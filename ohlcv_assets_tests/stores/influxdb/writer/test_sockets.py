"""Requests under way can be broken off from another thread."""

from __future__ import annotations

import socket
import threading

import pytest
import urllib3

from ohlcv_assets.stores.influxdb.connection import Address, Connection

pytestmark = pytest.mark.unit


def test_a_request_without_an_answer_is_broken_off() -> None:
    """Whoever waits for a reply gets an error at once, and the next request opens a new connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        connection = Connection(Address(f"http://127.0.0.1:{server.getsockname()[1]}", "org", timeout=60), 1)
        errors: list[Exception] = []

        def ask() -> None:
            try:
                connection.send("GET", "/ping")
            except (urllib3.exceptions.HTTPError, OSError) as error:
                errors.append(error)

        for _ in range(2):
            thread = threading.Thread(target=ask)
            thread.start()
            accepted, _ = server.accept()
            with accepted:
                accepted.recv(1000)
                while thread.is_alive():
                    # The socket is known a moment after the server has accepted it.
                    connection.abort()
                    thread.join(0.01)
        assert len(errors) == 2
        connection.abort()
        connection.close()
