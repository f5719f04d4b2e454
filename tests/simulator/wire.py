"""A bare HTTP client: what the simulator's tests see is what stands on the wire."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kaizen_batch.simulator import Simulator


@dataclass(frozen=True, slots=True)
class Answer:
    """A response until the server closed the connection, or until its announced end."""

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
    """One call that is answered."""
    answer = await send(simulator, request_bytes(prompt, **more))
    assert answer is not None, "the connection was closed without an answer"
    return answer


async def ask_many(simulator: Simulator, count: int, **more: Any) -> list[Answer]:
    """So many calls at once."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ask(simulator, f"prompt {n}", **more)) for n in range(count)]
    return [task.result() for task in tasks]


async def until(condition: Callable[[], bool]) -> None:
    """The ledger lives in another thread, which cannot set an event of this loop: look, and look again."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.001)
