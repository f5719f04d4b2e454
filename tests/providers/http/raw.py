"""A bare HTTP server that keeps what stood on the wire, byte for byte, and a proxy of the same kind."""

import asyncio
import json
import re
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from kaizen_batch.providers import OpenAIProvider, OutputSchema, Request

KEY = "sk-test-4f1d9a77c0ffee"
CHAT = json.dumps({"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}], "model": "m"}).encode()

HANG = b"no answer until the client has gone"
Writer = asyncio.StreamWriter


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it came."""

    line: str
    headers: dict[str, str]
    body: bytes


def response(status: int = 200, body: bytes = CHAT, headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


Reply = Callable[[Seen, Writer], Awaitable[bytes]]


async def answer(seen: Seen, writer: Writer) -> bytes:
    return response()


@dataclass
class RawServer:
    """Inside its `async with` block: `url`, the requests `seen`, and how many connections were `opened`.

    `reply` gives the bytes to write; b"" closes the connection, HANG waits until the client does.
    """

    reply: Reply = answer
    tls: ssl.SSLContext | None = None
    seen: list[Seen] = field(default_factory=list)
    opened: int = 0
    open_now: int = 0
    port: int = 0
    _tasks: set[Any] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://localhost:{self.port}/v1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls, limit=2**20, backlog=2000)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks) if self._tasks else None

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for what the kernel has to carry first: sockets set no event of ours."""
        async with asyncio.timeout(30):
            while not condition():  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.005)

    async def _serve(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        self.opened += 1
        self.open_now += 1
        # Suppressed, the cancellation too: asyncio would report a handler that was cancelled.
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._requests(reader, writer)
        self.open_now -= 1
        writer.close()
        with suppress(OSError, asyncio.CancelledError):
            await writer.wait_closed()
        self._tasks.discard(task)

    async def _requests(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if line)}
            seen = Seen(head[0], headers, await reader.readexactly(int(headers.get("content-length", "0"))))
            self.seen.append(seen)
            if seen.line.startswith("CONNECT "):
                return await self._tunnel(seen, reader, writer)
            data = await self.reply(seen, writer)
            if not data:
                return None
            if data is HANG:
                await reader.read()
                return None
            writer.write(data)
            await writer.drain()

    async def _tunnel(self, seen: Seen, reader: asyncio.StreamReader, writer: Writer) -> None:
        port = int(re.findall(r":(\d+) ", seen.line)[0])
        there, onward = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")

        async def forward(source: asyncio.StreamReader, target: Writer) -> None:
            while data := await source.read(65536):
                target.write(data)
            target.close()

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(forward(reader, onward))
                group.create_task(forward(there, writer))
        finally:
            onward.close()


def provider(url: str, transport: str = "fast", **options: Any) -> OpenAIProvider:
    return OpenAIProvider(**{"api_key": KEY, "base_url": url, "transport": transport, "timeout_s": 20.0, **options})


def request(text: str = "hello", **options: Any) -> Request:
    return Request(**{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}], **options})


SCHEMA = OutputSchema("Answer", {"type": "object", "properties": {"a": {"type": "string", "description": "é"}}})
