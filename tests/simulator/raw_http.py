"""A bare HTTP client: the tests of the simulator see the bytes that it sends."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.request import Request, urlopen

from kaizen_batch.simulator import Simulator


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, up to its content length or until the server closed the connection."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["error"]["code"])

    @property
    def retry_after_s(self) -> float:
        return int(self.headers["retry-after-ms"]) / 1000


def request_bytes(prompt: str = "hello", **more: Any) -> bytes:
    body = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": prompt}], **more}).encode()
    return b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def port_of(simulator: Simulator) -> int:
    return int(simulator.base_url.rsplit(":", 1)[1].split("/")[0])


async def send(simulator: Simulator, data: bytes) -> Answer | None:
    """Send these bytes and read one answer; None when the connection is closed without one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(simulator))
    try:
        writer.write(data)
        return await read_answer(reader)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def read_answer(reader: asyncio.StreamReader) -> Answer | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, OSError):
        return None
    first, *lines = head.decode().strip().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    try:
        body = await reader.readexactly(int(headers["content-length"]))
    except asyncio.IncompleteReadError as error:
        body = error.partial
    return Answer(int(first.split()[1]), headers, body)


async def ask(simulator: Simulator, prompt: str = "hello", **more: Any) -> Answer:
    """Make one call that must be answered."""
    answer = await send(simulator, request_bytes(prompt, **more))
    assert answer is not None, "the connection was closed without an answer"
    return answer


async def ask_many(simulator: Simulator, count: int, **more: Any) -> list[Answer]:
    """Make this many calls at once."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ask(simulator, f"prompt {n}", **more)) for n in range(count)]
    return [task.result() for task in tasks]


async def until(condition: Callable[[], bool]) -> None:
    """Wait by polling: the ledger is in another thread, which cannot set an event of this loop."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.001)


def get(url: str | Request) -> Any:
    """The JSON at a URL, read synchronously."""
    with urlopen(url, timeout=10) as answer:
        return json.load(answer)


def ask_url(base_url: str, prompt: str = "hello", key: str = "any", **more: Any) -> Any:
    """Make one call, synchronously, to an endpoint."""
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": prompt}], **more}
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    return get(Request(f"{base_url}/chat/completions", json.dumps(body).encode(), headers))
