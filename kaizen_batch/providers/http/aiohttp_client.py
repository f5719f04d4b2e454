"""The way to an endpoint over aiohttp: through proxies, and after redirects."""

# Why aiohttp. Measured against the simulator in a process of its own, on two busy cores: calls a second (and CPU in
# milliseconds for 1,000 calls), medians of 5, in one run. What needs neither proxy nor redirect goes by `direct`.
#
#   in flight (latency)   10 (20 ms)    50 (10 ms)     200 (20 ms)     1,000 (20 ms)
#   official SDK          282 (2,310)   399 (2,308)    276 (3,426)     84 (11,747)
#   niquests              412 (1,326)   887 (908)      887 (908)       657 (1,131)
#   aiohttp               435 (308)     3,000 (194)    3,765 (203)     3,171 (250)
#   pyreqwest (Rust)      439 (175)     3,117 (131)    5,199 (145)     6,129 (98)
#   a bare protocol       457 (101)     3,788 (62)     8,357 (58)      9,476 (40)
#
# pyreqwest 0.15 is faster, but keeps the socket of every cancelled call open, even after the client is closed (1,000 of
# 1,000), aborted the interpreter at its exit in 8 of 40 runs, refuses to work after a fork, and calls a torn answer a
# failed connect. aiohttp closes what is cancelled, and leaves TLS to Python's ssl, as the SDK does.

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from typing import TYPE_CHECKING

from kaizen_batch.providers.chat_responses import HttpResponse, rate_limit_headers
from kaizen_batch.providers.http.base import T, Target, no_answer, not_connected, too_late
from kaizen_batch.providers.http.environment import endpoint_headers, environment_proxy, ssl_context

if TYPE_CHECKING:
    import aiohttp

# Common servers close a connection that was idle for 5 s. Letting go before keeps a request from crossing the close
# on the wire, where nobody could tell whether it was read.
_KEEP_ALIVE_S = 4.0
_LONGEST_HEADER = 2**16
_MAX_REDIRECTS = 20
# aiohttp warns of longer bodies in one piece: they hold up the loop.
_ONE_PIECE = 2**20


class AiohttpTransport:
    """A client over aiohttp; make it on the loop that it is for."""

    def __init__(self, target: Target) -> None:
        import aiohttp
        from yarl import URL

        self._target = target
        self._aiohttp = aiohttp
        self._url = URL(f"{target.base_url.rstrip('/')}/chat/completions")
        # A password of the proxy stays in its address: with `proxy_headers`, aiohttp sends the proxy our key too.
        self._proxy = environment_proxy(target.base_url)
        self._session = _open_session(target)

    async def post(self, body: bytes, read: Callable[[HttpResponse, bytes], T]) -> T:
        """Send this JSON to `/chat/completions`, once; what `read` makes of the answer."""
        data = self._aiohttp.BytesPayload(body) if len(body) <= _ONE_PIECE else io.BytesIO(body)
        try:
            response = await self._session.post(self._url, data=data, proxy=self._proxy, max_redirects=_MAX_REDIRECTS)
            # Read to its end, or broken off for whatever reason, a response gives its connection back by itself.
            content = await response.read()
        except (self._aiohttp.ClientError, OSError, ValueError) as error:  # a TimeoutError is an OSError
            raise self._classify(error) from None
        return read(HttpResponse(response.status, rate_limit_headers(response.headers.items()), content), body)

    def _classify(self, error: Exception) -> Exception:
        cause, client = type(error).__name__, self._aiohttp
        if isinstance(error, client.ConnectionTimeoutError):
            return not_connected(self._target, cause, timeout=True)
        if isinstance(error, (client.ClientConnectorError, client.ClientHttpProxyError, client.InvalidURL)):
            return not_connected(self._target, cause)
        return too_late(self._target) if isinstance(error, asyncio.TimeoutError) else no_answer(self._target, cause)

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()
        # asyncio closes the sockets in the loop's next round.
        await asyncio.sleep(0)


def _open_session(target: Target) -> aiohttp.ClientSession:
    import aiohttp

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=target.max_concurrent,
            keepalive_timeout=_KEEP_ALIVE_S,
            ssl=ssl_context() if target.base_url.lower().startswith("https:") else True,
            resolver=aiohttp.ThreadedResolver(),  # the system's own, whatever else is installed
        ),
        timeout=aiohttp.ClientTimeout(total=target.timeout_s, sock_connect=target.connect_timeout_s),
        headers=endpoint_headers(target.api_key),
        cookie_jar=aiohttp.DummyCookieJar(),
        max_line_size=_LONGEST_HEADER,
        max_field_size=_LONGEST_HEADER,
    )
