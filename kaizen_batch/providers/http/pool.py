"""The straight way to an endpoint: one POST over a kept connection, written and read by hand."""

# Why no HTTP client at all: 50 calls at once of 10 ms each leave 0.20 ms of CPU for a call, and aiohttp takes as much
# for itself (see `wire` for the figures). Here httptools (llhttp, the parser of Node.js and uvicorn) reads the answers,
# and what is rare goes through aiohttp: redirects, proxies.

import asyncio
import math
import socket
import ssl
from collections import deque
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote, urlsplit

import httptools
from aiohappyeyeballs import start_connection

from kaizen_batch.concurrency.timeouts import Deadlines, TimeLimits, clock_of
from kaizen_batch.limits import Slots
from kaizen_batch.providers.chat_responses import HttpResponse
from kaizen_batch.providers.http.base import T, Target, Transport, no_answer, not_connected, too_late
from kaizen_batch.providers.http.environment import endpoint_headers
from kaizen_batch.providers.http.http11 import Connection

# Common servers close a connection that was idle for 5 s. Letting go before keeps a request from crossing the close
# on the wire, where nobody could tell whether it was read.
_KEEP_ALIVE_S = 4.0
_RACE_S = 0.25  # RFC 8305
_BUFFER = 2**16
_REDIRECTS = (301, 302, 303, 307, 308)


class PoolTransport:
    """A client without proxy; make it on the loop that it is for. `rare` makes the one that follows redirects."""

    def __init__(self, target: Target, *, tls: ssl.SSLContext | None, rare: Callable[[], Transport]) -> None:
        url = urlsplit(target.base_url)
        self._target = target
        self._host = url.hostname or ""
        self._port = url.port or (443 if tls else 80)
        self._tls = tls
        self._has_name = not _is_address(self._host)
        self._rare = rare
        self._rare_transport: Transport | None = None
        self._head = _head(target)
        self._loop = asyncio.get_running_loop()
        self._clock = clock_of(self._loop)
        self._timeout_s = math.inf if target.timeout_s is None else target.timeout_s
        self._connecting, self._asked = TimeLimits(self._loop), Deadlines(self._loop, _late)
        # One buffer for all: what is read into it is parsed before the next read. A plain protocol gets 256 KiB of
        # fresh memory for each.
        self._buffer = memoryview(bytearray(_BUFFER))
        self._open: set[Connection] = set()
        self._idle: deque[Connection] = deque()
        self._places = Slots(target.max_concurrent)

    async def post(self, body: bytes, read: Callable[[HttpResponse, bytes], T]) -> T:
        """Send this JSON to `/chat/completions`, once; what `read` makes of the answer."""
        if not self._places.try_acquire():
            await self._places.acquire()
        clock, connection = self._clock, None
        try:
            now = clock()
            connection = self._kept(now)
            if connection is None:
                connection = await self._connect()
            future = connection.ask(self._head, body)
            self._asked.set(future, now + self._timeout_s)
            try:
                answer = await future
            finally:
                self._asked.drop(future)
            if connection.free:
                connection.idle_since = clock()
                self._idle.append(connection)
        except (asyncio.CancelledError, TimeoutError) as error:
            if connection is not None:
                connection.abort()
            if isinstance(error, TimeoutError):
                raise too_late(self._target) from None
            raise
        except (OSError, httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise no_answer(self._target, type(error).__name__) from None
        finally:
            self._places.release()
        return read(answer, body) if answer.status not in _REDIRECTS else await self._redirected(body, read)

    async def close(self) -> None:
        """Close every connection."""
        self._connecting.close()
        self._asked.close()
        if self._rare_transport is not None:
            await self._rare_transport.close()
        for connection in list(self._open):
            connection.abort()
        while self._open:  # noqa: ASYNC110 - asyncio says so in its next rounds, and to each connection by itself
            await asyncio.sleep(0)

    def _kept(self, now: float) -> Connection | None:
        """The connection used last, if any is left: so that those beyond the need grow old."""
        while self._idle:
            connection = self._idle.pop()
            if connection.free and now - connection.idle_since < _KEEP_ALIVE_S:
                return connection
            if connection.free:
                connection.abort()
        return None

    async def _connect(self) -> Connection:
        try:
            with self._connecting.until(self._clock() + self._target.connect_timeout_s):
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self._loop, self._buffer, self._open.discard),
                    **await self._where(),
                    ssl=self._tls,
                    server_hostname=self._host if self._tls else None,
                )
        except TimeoutError as error:
            raise not_connected(self._target, type(error).__name__, timeout=True) from None
        except (OSError, ValueError, RuntimeError) as error:  # the last is uvloop's
            raise not_connected(self._target, type(error).__name__) from None
        self._open.add(connection)
        return connection

    async def _where(self) -> dict[str, Any]:
        """The address, or a socket connected to the first of a name's addresses that answers: some lead nowhere."""
        if not self._has_name:
            return {"host": self._host, "port": self._port}
        found = await self._loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        # asyncio's own race leaves a socket open when it is cancelled in the last moment, and uvloop has none.
        return {"sock": await start_connection(found, happy_eyeballs_delay=_RACE_S, loop=self._loop)}

    async def _redirected(self, body: bytes, read: Callable[[HttpResponse, bytes], T]) -> T:
        # Followed by the client that knows how: it makes the call anew.
        if self._rare_transport is None:
            self._rare_transport = self._rare()
        return await self._rare_transport.post(body, read)


def _late(answer: "asyncio.Future[HttpResponse]") -> None:
    if not answer.done():
        answer.set_exception(TimeoutError())


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _head(target: Target) -> bytes:
    """The request's head up to the length of its body."""
    url = urlsplit(target.base_url)
    host = url.netloc
    default = {"http": 80, "https": 443}[url.scheme]
    if url.port == default:
        host = host.rpartition(":")[0]
    path = quote(url.path.rstrip("/"), safe="/%:@!$&'()*+,;=~-._")
    lines = [f"POST {path}/chat/completions HTTP/1.1", f"Host: {host}"]
    headers = {**endpoint_headers(target.api_key), "Accept-Encoding": "gzip, deflate"}
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\nContent-Length: ").encode("latin-1")
