"""Arms without an engine: a hand-written client of our own parts, one over aiohttp, and a raw protocol.

`batch` is what you would write by hand for speed alone, from the parts that our HTTP client uses: asyncio transports,
httptools and orjson, and workers that pull from one iterator. `over_aiohttp` is the same over aiohttp. Both make the
same call, read the whole body and parse it. They have no retries, limits or ordering, and return only the text.
"""

import asyncio
from collections.abc import Iterator
from functools import partial
from typing import Any

import aiohttp
import httptools
import orjson
from yarl import URL

MODEL, TEMPERATURE, MAX_TOKENS = "gpt-3.5-turbo", 0.1, 200


def prompts(items: int) -> Iterator[str]:
    """The prompts of every arm."""
    return (f"item {n}: a line of text" for n in range(items))


def body_of(prompt: str) -> bytes:
    """The request that every arm sends."""
    messages = [{"role": "user", "content": prompt}]
    return orjson.dumps({"model": MODEL, "messages": messages, "temperature": TEMPERATURE, "max_tokens": MAX_TOKENS})


class _Client(asyncio.BufferedProtocol):
    """One connection, parsed by httptools: one call at a time."""

    def __init__(self, buffer: memoryview) -> None:
        self._buffer = buffer

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._parser.feed_data(self._buffer[:nbytes])

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)

    def on_message_complete(self) -> None:
        if not self._answer.done():
            self._answer.set_result((self._parser.get_status_code(), b"".join(self._parts)))

    def post(self, head: bytes, body: bytes) -> "asyncio.Future[tuple[int, bytes]]":
        self._parts: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        self._transport.write(b"%b%d\r\n\r\n%b" % (head, len(body), body))
        return self._answer

    def close(self) -> None:
        self._transport.close()


async def batch(items: int, url: str, at_once: int) -> int:
    """One batch over httptools."""
    loop, host, source, done = asyncio.get_running_loop(), URL(url), prompts(items), 0
    head = f"POST {host.path}/chat/completions HTTP/1.1\r\nHost: {host.authority}\r\n"
    head += "Authorization: Bearer none\r\nContent-Type: application/json\r\nContent-Length: "
    buffer = memoryview(bytearray(2**16))

    async def work() -> None:
        nonlocal done
        _, client = await loop.create_connection(lambda: _Client(buffer), host.host or "", host.port or 0)
        for prompt in source:
            status, body = await client.post(head.encode(), body_of(prompt))
            answer = orjson.loads(body)
            done += status == 200 and bool(answer["choices"][0]["message"]["content"])
        client.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(work())
    assert done == items
    return items


def on_uvloop(items: int, url: str, at_once: int) -> int:
    """The same on uvloop instead of asyncio's own loop."""
    import uvloop

    return uvloop.run(batch(items, url, at_once))


async def over_aiohttp(items: int, url: str, at_once: int) -> int:
    """One batch over aiohttp."""
    target, source, done = URL(f"{url}/chat/completions"), prompts(items), 0

    async def work(session: aiohttp.ClientSession) -> None:
        nonlocal done
        for prompt in source:
            async with session.post(target, data=body_of(prompt)) as response:
                answer = orjson.loads(await response.read())
            done += response.status == 200 and bool(answer["choices"][0]["message"]["content"])

    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=at_once),
        headers={"Authorization": "Bearer none", "Content-Type": "application/json"},
        cookie_jar=aiohttp.DummyCookieJar(),
    )
    async with session, asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(work(session))
    assert done == items
    return items


class _Raw(asyncio.Protocol):
    """Writes requests one after another and only looks for the end of each response."""

    def __init__(self, host: str, source: Iterator[str], over: "asyncio.Future[None]") -> None:
        self._head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\ncontent-length: ".encode()
        self._source = source
        self._over = over
        self.done = 0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        if data.endswith(b"}}"):
            self.done += 1
            self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._over.done():
            self._over.set_result(None)

    def _ask(self) -> None:
        prompt = next(self._source, None)
        if prompt is None:
            self._transport.close()
            return
        body = body_of(prompt)
        self._transport.write(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))


async def raw(items: int, url: str, at_once: int) -> int:
    """Run one batch over a bare protocol: the upper bound for the endpoint, and for any Python client."""
    loop, source, host = asyncio.get_running_loop(), prompts(items), URL(url)
    overs = [loop.create_future() for _ in range(at_once)]
    opened = [
        await loop.create_connection(partial(_Raw, host.authority, source, over), host.host or "", host.port or 0)
        for over in overs
    ]
    await asyncio.gather(*overs)
    assert sum(protocol.done for _, protocol in opened) == items
    return items
