"""The simulator's HTTP server: a bare protocol on asyncio, in a thread of its own or in the foreground."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import httptools

from kaizen_batch.simulator.answers import RawResponse, reply_bytes
from kaizen_batch.simulator.endpoint import Endpoint, Request
from kaizen_batch.simulator.ledger import Ledger
from kaizen_batch.simulator.settings import Reply, Settings, error_reply

_STARTUP_S = 30.0
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Connection(asyncio.BufferedProtocol):
    """One connection: reads requests, passes them to the endpoint one at a time, writes the responses.

    All connections of a server read into one `buffer`: a plain protocol allocates 256 KiB for each read, which costs
    more than everything else.
    """

    def __init__(self, endpoint: Endpoint, connections: "set[Connection]", buffer: memoryview) -> None:
        self._endpoint = endpoint
        self._connections = connections
        self._buffer = buffer
        self._headers: dict[bytes, bytes] = {}
        # A C method: each request has a dozen headers.
        self.on_header: Callable[[bytes, bytes], None] = self._headers.__setitem__
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[tuple[Request, bool]] = deque()
        self._busy = False
        self._keep_alive = True
        self._hanging: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """asyncio: the connection is open. (uvloop's transport is not one of asyncio's classes.)"""
        self._transport: asyncio.Transport = transport
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the connection is closed, and so is its socket."""
        self._connections.discard(self)
        self._waiting.clear()
        if self._hanging is not None:
            self._hanging.cancel()
            self._endpoint.ledger.leave()

    def abort(self) -> None:
        """Close at once; `connection_lost` follows."""
        self._transport.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        """asyncio: where to put the next bytes."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """asyncio: `nbytes` were received."""
        try:
            self._parser.feed_data(self._buffer[:nbytes])
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._transport.write(reply_bytes(error_reply(400, "invalid_request", "not an HTTP request")))
            self._transport.close()

    def on_message_begin(self) -> None:
        """httptools: a request begins."""
        self._url = b""
        self._headers.clear()
        self._body: list[bytes] = []

    def on_url(self, url: bytes) -> None:
        """httptools: the target, or part of it."""
        self._url += url

    def on_headers_complete(self) -> None:
        """httptools: the headers are complete."""
        if (b"Expect" in self._headers or b"expect" in self._headers) and not self._busy:
            self._transport.write(_CONTINUE)

    def on_body(self, body: bytes) -> None:
        """httptools: part of the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """httptools: the request is complete."""
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        key = _authorization(self._headers) if self._endpoint.wants_key else b""
        request = Request(self._parser.get_method(), self._url, key, body, dict(self._headers))
        self._waiting.append((request, self._parser.should_keep_alive()))
        self._next()

    def _next(self) -> None:
        if self._waiting and not self._busy:
            self._busy = True
            request, self._keep_alive = self._waiting.popleft()
            self._endpoint.handle(request, self._deliver)

    def _deliver(self, response: RawResponse) -> None:
        transport = self._transport
        if response.then == "hang":
            self._hang()
        elif transport.is_closing():
            return
        elif response.then == "abort":
            transport.abort()
        else:
            transport.write(response.data)
            if response.then == "keep" and self._keep_alive:
                self._busy = False
                if self._waiting:
                    asyncio.get_running_loop().call_soon(self._next)
            else:
                transport.close()

    def _hang(self) -> None:
        if self._transport.is_closing():
            self._endpoint.ledger.leave()
        else:
            loop = asyncio.get_running_loop()
            self._hanging = loop.call_later(self._endpoint.hang_s, self._transport.close)


def _authorization(headers: dict[bytes, bytes]) -> bytes:
    return next((value for name, value in headers.items() if name.lower() == b"authorization"), b"")


class Simulator:
    """A running endpoint as a context manager; use its `base_url` and `ledger` inside the `with` block.

    The options are those of Settings. `reply_with` scripts the next responses, `reply_to_batches_with` those about
    files and batches; `bodies` and `headers` hold those of the last 1,000 requests; `down = True` refuses every
    call, as `down_mode` says, until it is reset. A second `with` block listens on the same port and continues the same
    ledger. Raises: OSError when the port is in use.
    """

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, **options: Any) -> None:
        self.settings: Settings = Settings(**options)
        self.ledger: Ledger = Ledger()
        self._endpoint = Endpoint(self.settings, self.ledger)
        self._host = host
        self._port = port
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._started = threading.Event()
        self._error: BaseException | None = None

    @property
    def base_url(self) -> str:
        """The endpoint's URL, including `/v1`."""
        return f"http://{self._host}:{self._port}/v1"

    @property
    def bodies(self) -> deque[object]:
        """The JSON of the last 1,000 requests."""
        return self._endpoint.bodies

    @property
    def headers(self) -> list[dict[str, str]]:
        """The headers of the last 1,000 requests, by their names in lower case."""
        return [
            {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers.items()}
            for headers in list(self._endpoint.headers)
        ]

    @property
    def down(self) -> bool:
        """Whether every call is refused."""
        return self._endpoint.down

    @down.setter
    def down(self, down: bool) -> None:
        self._endpoint.down = down

    @property
    def down_mode(self) -> str:
        """How calls are refused while the server is down: `"500"`, or `"torn"` for a closed connection."""
        return self._endpoint.down_mode

    @down_mode.setter
    def down_mode(self, mode: str) -> None:
        if mode not in ("500", "torn"):
            raise ValueError(f"down_mode must be '500' or 'torn'; given: {mode!r}")
        self._endpoint.down_mode = mode

    def reply_with(self, *replies: Reply) -> None:
        """Send these responses to the next calls."""
        self._endpoint.scripted.extend(replies)

    def reply_to_batches_with(self, *replies: Reply) -> None:
        """Send these responses to the next requests to `/v1/files` and `/v1/batches`."""
        self._endpoint.scripted_batches.extend(replies)

    def __enter__(self) -> Self:
        self._started.clear()
        self._thread = threading.Thread(target=self._run, name="simulator", daemon=True)
        self._thread.start()
        self._started.wait(_STARTUP_S)
        if self._error is not None:
            self._thread.join(_STARTUP_S)
            raise self._error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is not None and self._stop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread is not None:
            self._thread.join(_STARTUP_S)

    def _run(self) -> None:
        self._error = None
        try:
            asyncio.run(self.serve())
        except BaseException as error:
            self._error = error
            self._started.set()

    async def serve(self, on_started: Callable[[], None] = lambda: None) -> None:
        """Serve until the task is cancelled or the `with` block ends; calls `on_started` once it listens."""
        loop, connections, buffer = asyncio.get_running_loop(), set[Connection](), memoryview(bytearray(2**16))
        if self.settings.ledger_path is not None:
            self.ledger.open(self.settings.ledger_path)
        try:
            self._endpoint.start(loop)
            server = await loop.create_server(
                lambda: Connection(self._endpoint, connections, buffer), self._host, self._port, backlog=4096
            )
            try:
                self._port = server.sockets[0].getsockname()[1]
                self._loop, self._stop = loop, asyncio.Event()
                self._started.set()
                on_started()
                await self._stop.wait()
            finally:
                # server.close() is too early: a connection accepted just before it would find its server closed, and
                # asyncio would drop its transport without closing it.
                for listener in server.sockets:
                    loop.remove_reader(listener.fileno())
                await _close_all(connections, self._endpoint)
                server.close()
        finally:
            self.ledger.close()


async def _close_all(connections: set[Connection], endpoint: Endpoint) -> None:
    # A connection that was just accepted gets its transport and its `connection_made` within the next iterations of
    # the loop: after five iterations without a connection there is none.
    empty = 0
    while empty < 5:
        empty = 0 if connections else empty + 1
        endpoint.stop()
        for connection in list(connections):
            connection.abort()
        await asyncio.sleep(0)
