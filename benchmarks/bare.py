"""Arms without any engine: the client that ours is built on, and one below every client.

`batch` is what one would write by hand for speed alone: aiohttp and orjson, workers that pull from one iterator. It
makes the same call, reads the whole body and parses it; it has no retry, no limit, no order, no result but the text.
"""

import asyncio
from collections.abc import Iterator
from functools import partial
from typing import Any

import aiohttp
import orjson
from yarl import URL

MODEL, TEMPERATURE, MAX_TOKENS = "gpt-3.5-turbo", 0.1, 200


def prompts(items: int) -> Iterator[str]:
    """What every arm asks."""
    return (f"item {n}: a line of text" for n in range(items))


def body_of(prompt: str) -> bytes:
    """The request that every arm sends."""
    messages = [{"role": "user", "content": prompt}]
    return orjson.dumps({"model": MODEL, "messages": messages, "temperature": TEMPERATURE, "max_tokens": MAX_TOKENS})


async def batch(items: int, url: str, at_once: int) -> int:
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
    """Writes requests one after the other and looks for nothing but the end of each answer."""

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
    """One batch over a bare protocol: what the endpoint can do at most, and what Python can at best."""
    loop, source, host = asyncio.get_running_loop(), prompts(items), URL(url)
    overs = [loop.create_future() for _ in range(at_once)]
    opened = [
        await loop.create_connection(partial(_Raw, host.authority, source, over), host.host or "", host.port or 0)
        for over in overs
    ]
    await asyncio.gather(*overs)
    assert sum(protocol.done for _, protocol in opened) == items
    return items
