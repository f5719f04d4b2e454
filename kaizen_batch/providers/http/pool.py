"""A pool of kept connections to one origin: one POST on each at a time, written and read by hand.

Invariants: at most `max_concurrent` calls at once; a connection is open for a call or idle, never both; a call that
ends in any other way than with a whole response closes its connection.

The connection used last is taken first, so that surplus ones grow old. Idle connections are closed when their time is
over, when they exceed the calls in progress for a moment, and all at once when no further call is coming: some servers
keep a thread for each connection, and idle ones starve the others.
"""

# Why no HTTP client: with 50 calls of 10 ms in flight, a call takes 0.20 ms of CPU, and aiohttp alone takes as much.
# Measured against the simulator in another process, on two busy cores: calls per second (and CPU in milliseconds for
# 1,000 calls), medians of 5, in one run.
#
#   in flight (latency)   10 (20 ms)    50 (10 ms)     200 (20 ms)     1,000 (20 ms)
#   official SDK          282 (2,310)   399 (2,308)    276 (3,426)     84 (11,747)
#   niquests              412 (1,326)   887 (908)      887 (908)       657 (1,131)
#   aiohttp               435 (308)     3,000 (194)    3,765 (203)     3,171 (250)
#   pyreqwest (Rust)      439 (175)     3,117 (131)    5,199 (145)     6,129 (98)
#   a bare protocol       457 (101)     3,788 (62)     8,357 (58)      9,476 (40)

import asyncio
import math
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from urllib.parse import SplitResult, urljoin, urlsplit

from kaizen_batch.concurrency.slots import Slots
from kaizen_batch.concurrency.timeouts import Alarm, TimeLimits, clock_of
from kaizen_batch.providers.chat_responses import HttpResponse
from kaizen_batch.providers.http.base import T, Target
from kaizen_batch.providers.http.connection_errors import (
    connect_error,
    connect_timeout,
    redirect_error,
    response_error,
    response_timeout,
)
from kaizen_batch.providers.http.environment import endpoint_headers, public_headers
from kaizen_batch.providers.http.http11 import Connection, RequestUnreadError
from kaizen_batch.providers.http.origin import Origin

_BUFFER = 2**16
_EXCESS_S = 1.0  # after so long, idle connections that exceed the calls in progress are closed
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_SAME_METHOD = (307, 308)
_MAX_REDIRECTS = 20


class PoolTransport:
    """The lean client; create it on the loop that it is for."""

    def __init__(self, target: Target, url: SplitResult | None = None) -> None:
        url = url or urlsplit(f"{target.base_url.rstrip('/')}/chat/completions")
        self._target = target
        self._url = url
        self._origin = Origin(url)
        self._head = (
            self._origin.request_head("POST", url, endpoint_headers(target.api_key, target.headers))
            + b"Content-Length: "
        )
        self._loop = asyncio.get_running_loop()
        self._clock = clock_of(self._loop)
        self._timeout_s = math.inf if target.timeout_s is None else target.timeout_s
        self._connecting, self._alarm = TimeLimits(self._loop), Alarm(self._loop, self._look)
        # One buffer for all connections: what is read into it is copied before the next read. A plain protocol
        # allocates 256 KiB for each read.
        self._buffer = memoryview(bytearray(_BUFFER))
        self._open: set[Connection] = set()
        self._idle: deque[Connection] = deque()
        self._keeps = True
        self._trimmer: asyncio.TimerHandle | None = None
        self._slots = Slots(target.max_concurrent)
        self._others: dict[tuple[str, str | None, int], PoolTransport] = {}

    def post(self, body: bytes, read: Callable[[HttpResponse, bytes], T]) -> Coroutine[object, object, T]:
        """Send this JSON to `/chat/completions`, once; what `read` makes of the response."""
        return self._exchange(b"%b%d\r\n\r\n%b" % (self._head, len(body), body), body, read)

    def keep_idle(self, keep: bool) -> None:
        """Whether connections are kept after a call; without, those that are idle now are closed."""
        self._keeps = keep
        if not keep:
            while self._idle:
                self._idle.pop().abort()
            if self._trimmer is not None:
                self._trimmer.cancel()
                self._trimmer = None

    async def close(self) -> None:
        """Close every connection."""
        self._connecting.close()
        self._alarm.close()
        if self._trimmer is not None:
            self._trimmer.cancel()
        for other in self._others.values():
            await other.close()
        for connection in list(self._open):
            connection.abort()
        while self._open:  # noqa: ASYNC110 - asyncio tells each connection in one of its next iterations
            await asyncio.sleep(0)

    async def _exchange(
        self, request: bytes, body: bytes, read: Callable[[HttpResponse, bytes], T], trail: "_Trail | None" = None
    ) -> T:
        """Send a request and wait for its response; `trail` says which redirects led here."""
        clock, connection, slots = self._clock, None, self._slots
        if slots.free:  # as in `try_acquire`, without the cost of a call for each call
            slots.free -= 1
        else:
            await slots.acquire()
        try:
            now = clock()
            ends_at = now + self._timeout_s if trail is None else trail.ends_at
            connection = self._take(now) or await self._connect()
            while True:
                if ends_at < self._alarm.at:
                    self._alarm.set(ends_at)
                try:
                    response = await connection.send(request, now, ends_at)
                    break
                except RequestUnreadError:
                    connection, now = await self._connect(), clock()
            if connection.free:
                self._keep(connection, clock())
        except BaseException as error:
            raise self._failed(connection, error) from None
        finally:
            slots.release()
        if connection.location is None:
            return read(response, body)
        return await self._follow(self._trail(trail, ends_at).to(connection.location), response, body, read)

    def _trail(self, trail: "_Trail | None", ends_at: float) -> "_Trail":
        return trail or _Trail(self._url, ends_at, endpoint_headers(self._target.api_key, self._target.headers))

    def _look(self, now: float) -> float:
        """End the calls whose time is over; the moment at which the next one's is."""
        return min((connection.end_late(now) for connection in tuple(self._open)), default=math.inf)

    def _failed(self, connection: Connection | None, error: BaseException) -> BaseException:
        """Close the connection of a call that failed; the error that the call ends with."""
        if connection is not None:
            connection.abort()
        if isinstance(error, TimeoutError):
            return response_timeout(self._target)
        return response_error(self._target, error) if isinstance(error, OSError) else error

    def _take(self, now: float) -> Connection | None:
        """An idle connection that can carry a call; those that cannot are closed."""
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.free:
                if now - connection.idle_since < connection.keep_s and not connection.poll(0):
                    return connection
                connection.abort()
        return None

    def _keep(self, connection: Connection, now: float) -> None:
        """A connection has become idle."""
        connection.idle_since = now
        self._idle.append(connection)
        if not self._keeps:
            self.keep_idle(False)
        elif self._trimmer is None:
            self._trimmer = self._loop.call_later(_EXCESS_S, self._trim)

    def _trim(self) -> None:
        """Close idle connections whose time is over, and those that exceed the calls in progress; the oldest first."""
        idle, now, self._trimmer = self._idle, self._clock(), None
        busy = len(self._open) - len(idle)
        while idle:
            idle_s = now - idle[0].idle_since
            if idle[0].free and idle_s < idle[0].keep_s and (len(idle) <= busy or idle_s < _EXCESS_S):
                self._trimmer = self._loop.call_later(_EXCESS_S, self._trim)
                return
            idle.popleft().abort()

    async def _connect(self) -> Connection:
        connection = Connection(self._loop, self._buffer, self._open.discard, limit=self._target.max_response_bytes)
        try:
            with self._connecting.until(self._clock() + self._target.connect_timeout_s):
                await self._origin.connect(self._loop, connection)
        except TimeoutError:
            raise connect_timeout(self._target) from None
        except (OSError, ValueError, RuntimeError) as error:  # the last is uvloop's
            raise connect_error(self._target, error) from None
        self._open.add(connection)
        return connection

    async def _follow(
        self, trail: "_Trail", response: HttpResponse, body: bytes, read: Callable[[HttpResponse, bytes], T]
    ) -> T:
        """Follow a redirect as the SDK does; another origin gets neither the key nor any header of the user's."""
        if response.status not in _REDIRECTS:
            return read(response, body)
        if response.status not in _SAME_METHOD:
            trail = replace(trail, method="GET")
        url = trail.url
        if trail.count > _MAX_REDIRECTS:
            raise redirect_error(self._target, f"redirects more than {_MAX_REDIRECTS} times")
        if url.scheme not in ("http", "https") or not url.hostname:
            raise redirect_error(self._target, "redirects to an address that is not http or https")
        pool = self._pool_for(url)
        if pool is not self:
            trail = replace(trail, headers=public_headers())
        request = pool._origin.request_head(trail.method, url, trail.headers)
        request += b"\r\n" if trail.method == "GET" else b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        return await pool._exchange(request, body, read, trail)

    def _pool_for(self, url: SplitResult) -> "PoolTransport":
        key = Origin.key_of(url)
        if key == self._origin.key:
            return self
        if key not in self._others:
            self._others[key] = PoolTransport(self._target, url)
        return self._others[key]


@dataclass(frozen=True, slots=True)
class _Trail:
    """The redirects of one call: where the next request goes, and by when the call must end."""

    url: SplitResult
    ends_at: float
    headers: dict[str, str]
    method: str = "POST"
    count: int = 0

    def to(self, location: str) -> "_Trail":
        """One redirect further."""
        return replace(self, url=_redirected(self.url, location), count=self.count + 1)


def _redirected(url: SplitResult, location: str) -> SplitResult:
    try:
        target = urlsplit(urljoin(url.geturl(), location))
        _ = target.port  # raises for one that is out of range
    except ValueError:
        return urlsplit("")
    return target
