"""Runs the torture suite: `python -m tests.providers.http.torture` prints its table.

Every case makes two calls, one after the other, over one client with one connection at a time. What a cell says of each
call: `ok` if the answer is that to its own question, else the error, its code, and `billed` if it may have been billed.
"""

import asyncio
import json
import os
import re
import socket
import ssl
import struct
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from kaizen_batch.errors import ProviderError
from kaizen_batch.providers import OpenAIProvider, Request
from tests.providers.http.torture_cases import CASES, CLOSE, HALF_CLOSE, HANG, LIMIT, RESET, Case, Step


class TortureServer:
    """Answers the requests of its connections as the case says; `requests` counts them, `open` the connections.

    `idle` is set while every answer has been given to its last step, so that nothing more comes by itself.
    """

    def __init__(self, case: Case, tls: ssl.SSLContext | None = None) -> None:
        self.requests = 0
        self.open = 0
        self.port = 0
        self.idle = asyncio.Event()
        self._case = case
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls, limit=2**20)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.open += 1
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._answer(reader, writer):
                pass
        writer.close()
        with suppress(OSError, asyncio.CancelledError):
            await writer.wait_closed()
        self.open -= 1
        self._tasks.discard(task)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
        body = await reader.readexactly(int(length[1]) if length else 0)
        self.requests += 1
        self.idle.clear()
        prompt = json.loads(body)["messages"][-1]["content"] if body else ""
        try:
            for step in self._case.steps(prompt, self.requests):
                if not await self._do(step, reader, writer):
                    return False
            return True
        finally:
            self.idle.set()

    async def _do(self, step: Step, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Take a step; whether the connection goes on."""
        if isinstance(step, bytes):
            writer.write(step)
            await writer.drain()
        elif isinstance(step, float):
            await asyncio.sleep(step)
        elif step == HALF_CLOSE:
            writer.write_eof()
            self.idle.set()
            await reader.read()
        elif step == RESET:
            with socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as copy:
                copy.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        elif step == HANG:
            await reader.read()
        return step not in (CLOSE, RESET, HALF_CLOSE, HANG)


@asynccontextmanager
async def tunneling() -> AsyncIterator[int]:
    """A proxy that opens tunnels; its port."""

    async def forward(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                target.write(data)
        target.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = await reader.readuntil(b"\r\n\r\n")
            port = int(re.findall(rb":(\d+) ", head)[0])
            there, onward = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            async with asyncio.TaskGroup() as group:
                group.create_task(forward(reader, onward))
                group.create_task(forward(there, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def run_case(case: Case, transport: str, way: str = "tcp", tls: ssl.SSLContext | None = None) -> list[str]:
    """What the two calls come to, and what else is wrong: sockets left open, requests too many or too few."""
    server = TortureServer(case, tls if way in ("tls", "tunnel") else None)
    async with server.serving(), tunneling() as proxy:
        scheme = "https" if way in ("tls", "tunnel") else "http"
        proxy_url = {"proxy": f"http://127.0.0.1:{server.port}", "tunnel": f"http://127.0.0.1:{proxy}"}.get(way)
        with environment(f"{scheme}_proxy", proxy_url):
            url = f"{scheme}://localhost:{server.port}/v1"
            provider = OpenAIProvider(
                api_key="k",
                base_url=url,
                timeout_s=case.timeout_s,
                max_concurrent=1,
                transport=transport,
                max_response_bytes=LIMIT,
            )
            async with provider.session():
                ends = [await outcome(provider, server, text) for text in ("one", "two")]
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                while server.open:  # noqa: ASYNC110 - sockets set no event of ours
                    await asyncio.sleep(0.002)
    if server.open:
        ends.append(f"{server.open} sockets leak")
    if case.requests is not None and server.requests != case.requests:
        ends.append(f"{server.requests} requests")
    return ends


async def outcome(provider: OpenAIProvider, server: TortureServer, text: str) -> str:
    try:
        async with asyncio.timeout(30):
            done = await provider.complete(Request("m", [{"role": "user", "content": text}]))
    except ProviderError as error:
        return f"{error.type_name} {error.code}{' billed' if error.may_be_billed else ''}"
    except TimeoutError:
        return "HANGS"
    except Exception as error:  # the SDK lets some through
        return type(error).__name__
    await server.idle.wait()
    for _ in range(5):  # for the hops between, which share this loop
        await asyncio.sleep(0.002)
    return "ok" if done.text == f"echo {text}" else f"WRONG {done.text}"


@contextmanager
def environment(name: str, value: str | None) -> Iterator[None]:
    before = os.environ.pop(name, None)
    if value is not None:
        os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before


def run_on(loop: Callable[[], asyncio.AbstractEventLoop], case: Case, transport: str) -> list[str]:
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(run_case(case, transport))


def main() -> None:
    import uvloop

    print("| case | ours on asyncio | ours on uvloop | SDK | |\n|---|---|---|---|---|")
    for case in CASES:
        columns = [(asyncio.new_event_loop, "fast"), (uvloop.new_event_loop, "fast"), (asyncio.new_event_loop, "sdk")]
        ours, on_uvloop, theirs = ("; ".join(run_on(loop, case, transport)) for loop, transport in columns)
        wrong = [] if ours == on_uvloop == "; ".join(case.ends) else ["OURS IS WRONG"]
        if theirs != ours:
            wrong.append(case.why if case.theirs else "SDK DIFFERS")
        print(f"| {case.name} | {ours} | {on_uvloop} | {theirs} | {', '.join(wrong)} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
