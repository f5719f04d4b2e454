"""A lean endpoint: it reads a chat request, answers it after the latency, and does nothing else.

The package's simulator keeps a ledger of every call, which takes about 60 microseconds and some memory per call. It
uses the timers of the event loop, which epoll rounds up to whole milliseconds. Here a latency of 10 ms is 10.0 ms,
because the clock is a timerfd.
"""

import asyncio
import ctypes
import os
import random
import re
import sys
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

import click

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_CONTENT = re.compile(rb'"content": *"((?:[^"\\]|\\.)*)"')
_BODY = (
    b'{"id":"chatcmpl-0","object":"chat.completion","created":0,"model":"gpt-3.5-turbo","choices":[{"index":0,'
    b'"finish_reason":"stop","message":{"role":"assistant","content":"mock answer to: %b"}}],'
    b'"usage":{"prompt_tokens":%d,"completion_tokens":9,"total_tokens":%d}}'
)
_RESPONSE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
_MONOTONIC, _NONBLOCK, _ABSOLUTE = 1, 0o4000, 1


def answer(body: bytes) -> bytes:
    """The response to a request's body; it repeats the last message."""
    prompt = _CONTENT.findall(body)[-1]
    tokens = len(prompt) // 4 + 1
    content = _BODY % (prompt, tokens, tokens + 9)
    return _RESPONSE % (len(content), content)


def split(data: bytes) -> tuple[bytes, bytes] | None:
    """The body of the first complete request in the input, and the rest; None if it is incomplete."""
    end = data.find(b"\r\n\r\n") + 4
    length = _LENGTH.search(data, 0, end) if end > 3 else None
    if length is None or len(data) < end + int(length[1]):
        return None
    end_of_body = end + int(length[1])
    return data[end:end_of_body], data[end_of_body:]


class Alarm:
    """Calls back at a time of the loop's clock, to about 50 microseconds; to a millisecond if not on Linux."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._libc = ctypes.CDLL(None) if sys.platform == "linux" else None
        self._spec = (ctypes.c_long * 4)()  # struct itimerspec: no interval, then seconds and nanoseconds
        if self._libc is not None:
            self._timer = self._libc.timerfd_create(_MONOTONIC, _NONBLOCK)
            loop.add_reader(self._timer, self._rung)

    def set(self, at: float) -> None:
        """Set the time, replacing an earlier one."""
        if self._libc is None:
            self._loop.call_at(at, self._ring)
            return
        self._spec[2], self._spec[3] = divmod(max(1, int(at * 1e9)), 1_000_000_000)
        self._libc.timerfd_settime(self._timer, _ABSOLUTE, self._spec, None)

    def _rung(self) -> None:
        os.read(self._timer, 8)
        self._ring()


class Answers:
    """Pending answers: each is written when it is due."""

    def __init__(self, loop: asyncio.AbstractEventLoop, latency_s: float, sigma: float) -> None:
        self._clock = loop.time
        self._latency_s = latency_s
        self._sigma = sigma
        self._random = random.Random(0)
        self._due: list[tuple[float, int, asyncio.Transport, bytes]] = []
        self._count = 0
        self._alarm = Alarm(loop, self._deliver)

    def send(self, transport: asyncio.Transport, data: bytes) -> None:
        """Write this after the latency."""
        if self._latency_s == 0:
            transport.write(data)
            return
        latency_s = self._latency_s * (self._random.lognormvariate(0.0, self._sigma) if self._sigma else 1.0)
        at = self._clock() + latency_s
        if not self._due or at < self._due[0][0]:
            self._alarm.set(at)
        self._count += 1
        heappush(self._due, (at, self._count, transport, data))

    def _deliver(self) -> None:
        now = self._clock()
        while self._due and self._due[0][0] <= now:
            _, _, transport, data = heappop(self._due)
            transport.write(data)
        if self._due:
            self._alarm.set(self._due[0][0])


class Connection(asyncio.BufferedProtocol):
    """One connection. All of them read into one buffer: a plain protocol allocates 256 KiB for each read."""

    def __init__(self, answers: Answers, buffer: memoryview) -> None:
        self._answers = answers
        self._buffer = buffer
        self._data = b""

    def connection_made(self, transport: Any) -> None:
        """Called by asyncio when the connection is open."""
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        """Called by asyncio: where to write the next bytes."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Called by asyncio when bytes have arrived."""
        self._data += self._buffer[:nbytes]
        while (found := split(self._data)) is not None:
            body, self._data = found
            self._answers.send(self._transport, answer(body))


async def serve(latency_s: float, latency_sigma: float) -> None:
    """Serve on a free port, print it, and run until the process is ended."""
    loop, buffer = asyncio.get_running_loop(), memoryview(bytearray(2**16))
    answers = Answers(loop, latency_s, latency_sigma)
    server = await loop.create_server(lambda: Connection(answers, buffer), "127.0.0.1", 0, backlog=4096)
    print(f"OPENAI_BASE_URL=http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


@click.command("endpoint")
@click.option("--latency-s", default=0.0, help="Seconds per call.")
@click.option("--latency-sigma", default=0.0, help="Above 0: spread of a lognormal distribution with that median.")
def main(latency_s: float, latency_sigma: float) -> None:
    """A lean OpenAI-compatible endpoint on 127.0.0.1."""
    asyncio.run(serve(latency_s, latency_sigma))


if __name__ == "__main__":
    main()
