"""A client that times replies: whole ones, others, and none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ohlcv_assets.bench.serving import client
from ohlcv_assets.bench.serving.client import connected
from ohlcv_assets.errors import UserError

pytestmark = pytest.mark.unit

Answering = Callable[[bytes], bytes | None]


class Answers(asyncio.Protocol):
    """Answers what comes in one piece, as small requests over loopback do."""

    def __init__(self, answer: Answering) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport: Any = transport  # Any: asyncio's base has no write()

    def data_received(self, data: bytes) -> None:
        """Answer."""
        answer = self._answer(data)
        if answer is None:
            self._transport.close()
        else:
            self._transport.write(answer)


async def settled() -> None:
    """Let both ends of connections see that they are closed."""
    for _ in range(5):
        await asyncio.sleep(0.001)


@asynccontextmanager
async def answering(answer: Answering) -> AsyncIterator[str]:
    """Answer each request with some bytes; with None by closing the connection. Give the address."""
    server = await asyncio.get_running_loop().create_server(lambda: Answers(answer), "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    await settled()


def reply(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """Return a reply as it is sent."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def tried(answer: Answering, use: Callable[[str], Awaitable[None]]) -> None:
    """Do something with the address of a service."""

    async def main() -> None:
        async with answering(answer) as url:
            await use(url)

    asyncio.run(main())


def test_a_reply_is_timed_and_read() -> None:
    """Status, headers and body, again and again over one connection; a body makes it a POST, a key goes along."""
    seen: list[bytes] = []

    def answer(request: bytes) -> bytes:
        seen.append(request)
        return reply(b'{"a":1}', "200 OK", "X-Some: thing")

    async def use(url: str) -> None:
        async with connected(url, 1, "a key") as (one,):
            first = await one.get("/x", gzip=True)
            assert (first.status, first.document(), first.headers["x-some"]) == (200, {"a": 1}, "thing")
            assert 0 < first.seconds < 60
            assert (await one.ask("/y", body=b"{}", headers={"X-More": "1"})).status == 200
            assert "a key" not in repr(one)

    tried(answer, use)
    assert seen[0].startswith(b"GET /x HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"Accept-Encoding: gzip\r\nX-API-Key: a key\r\n" in seen[0]
    assert seen[1].startswith(b"POST /y HTTP/1.1")
    assert seen[1].endswith(b"Content-Length: 2\r\nX-More: 1\r\n\r\n{}")


@pytest.mark.parametrize(("body", "said"), [(b'{"detail":"Wait."}', "Wait."), (b"[]", "no reason"), (b"", "no reason")])
def test_another_reply_is_an_error_with_its_words(body: bytes, said: str) -> None:
    """A figure of refusals is none."""

    async def use(url: str) -> None:
        async with connected(url) as (one,):
            with pytest.raises(UserError, match=f"answered /x with 429: {said}"):
                await one.get("/x")

    tried(lambda _: reply(body, "429 Too Many Requests"), use)


def test_a_connection_that_ends_is_an_error() -> None:
    """Nobody waits for a reply that will not come."""

    async def use(url: str) -> None:
        async with connected(url) as (one,):
            with pytest.raises(UserError, match="closed the connection"):
                await one.get("/x")

    tried(lambda _: None, use)


def test_silence_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while; what comes later disturbs nobody."""
    monkeypatch.setattr(client, "PATIENCE", 0.01)

    async def use(url: str) -> None:
        async with connected(url) as (one,):
            with pytest.raises(UserError, match="did not answer /x within"):
                await one.ask("/x")
            one.data_received(reply(b"late"))
            one.data_received(reply(b"later"))

    tried(lambda _: b"", use)


@pytest.mark.parametrize("url", ["https://127.0.0.1:1", "http://", "127.0.0.1:1"])
def test_an_address_must_be_one(url: str) -> None:
    """One sentence with an example."""

    async def use() -> None:
        async with connected(url):
            pass

    with pytest.raises(UserError, match="is no address of a service; write http://"):
        asyncio.run(use())


def test_nobody_there_is_told() -> None:
    """With the address."""

    async def use() -> None:
        async with connected("http://127.0.0.1:1"):
            pass

    with pytest.raises(UserError, match=r"no service at http://127\.0\.0\.1:1 "):
        asyncio.run(use())
