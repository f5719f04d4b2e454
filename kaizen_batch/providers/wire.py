"""The lean way to an endpoint: one POST over aiohttp, with as little around it as the answer allows."""

# Why aiohttp. Measured against the simulator in a process of its own, on two busy cores: calls a second (and CPU in
# milliseconds for 1,000 calls), medians of 5, in one run.
#
#   in flight (latency)   10 (20 ms)    50 (10 ms)     200 (20 ms)     1,000 (20 ms)
#   SDK over httpx        115 (3,478)   448 (2,229)    191 (4,555)     timed out
#   niquests              409 (1,475)   665 (1,390)    383 (1,621)     490 (1,149)
#   aiohttp               430 (397)     2,416 (265)    1,522 (341)     1,144 (303)
#   pyreqwest (Rust)      435 (198)     3,487 (181)    3,128 (154)     2,353 (126)
#   a bare protocol       458 (96)      4,131 (89)     4,214 (69)      2,199 (65)
#
# pyreqwest 0.15 is faster, but keeps the socket of every cancelled call open, even after the client is closed (1,000 of
# 1,000), aborted the interpreter at its exit in 8 of 40 runs, refuses to work after a fork, and calls a torn answer a
# failed connect. aiohttp closes what is cancelled, and leaves TLS to Python's ssl, as the SDK does.

from __future__ import annotations

import asyncio
import io
import os
import ssl
from base64 import b64encode
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from kaizen_batch.providers.proxies import environment_proxy
from kaizen_batch.providers.responses import Answer, telling_headers
from kaizen_batch.providers.transport import Wire, no_answer, not_connected, too_late

if TYPE_CHECKING:
    import aiohttp

# Common servers close a connection that was idle for 5 s. Letting go before keeps a request from crossing the close
# on the wire, where nobody could tell whether it was read.
_KEEP_ALIVE_S = 4.0
_LONGEST_HEADER = 2**16
_MAX_REDIRECTS = 20
# aiohttp warns of longer bodies in one piece: they hold up the loop.
_ONE_PIECE = 2**20
_ORGANIZATION = {"OPENAI_ORG_ID": "OpenAI-Organization", "OPENAI_PROJECT_ID": "OpenAI-Project"}


class FastTransport:
    """A client over aiohttp; make it on the loop that it is for."""

    def __init__(self, wire: Wire) -> None:
        import aiohttp
        from yarl import URL

        self._wire = wire
        self._aiohttp = aiohttp
        self._url = URL(f"{wire.base_url.rstrip('/')}/chat/completions")
        self._options: dict[str, Any] = {"max_redirects": _MAX_REDIRECTS, **_proxy_options(wire.base_url)}
        self._session = _open_session(wire)

    async def post(self, body: bytes) -> Answer:
        """Send this JSON to `/chat/completions`, once. Raises: NoAnswerError when no answer came."""
        data = body if len(body) <= _ONE_PIECE else io.BytesIO(body)
        try:
            response = await self._session.post(self._url, data=data, **self._options)
            # Read to its end, or broken off for whatever reason, a response gives its connection back by itself.
            content = await response.read()
        except (self._aiohttp.ClientError, OSError, ValueError) as error:  # a TimeoutError is an OSError
            raise self._told_apart(error) from None
        return Answer(response.status, telling_headers(response.headers.items()), content)

    def _told_apart(self, error: Exception) -> Exception:
        cause, client = type(error).__name__, self._aiohttp
        if isinstance(error, client.ConnectionTimeoutError):
            return not_connected(self._wire, cause, timeout=True)
        # A connection found closed before all of the body was on it: the request cannot have been carried out.
        unsent = (client.ClientConnectorError, client.ClientHttpProxyError, client.ClientConnectionResetError)
        if isinstance(error, (*unsent, client.InvalidURL)):
            return not_connected(self._wire, cause)
        return too_late(self._wire) if isinstance(error, asyncio.TimeoutError) else no_answer(self._wire, cause)

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()
        # asyncio closes the sockets in the loop's next round.
        await asyncio.sleep(0)


def _open_session(wire: Wire) -> aiohttp.ClientSession:
    import aiohttp

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=wire.max_concurrent,
            keepalive_timeout=_KEEP_ALIVE_S,
            ssl=_ssl_context() if wire.base_url.lower().startswith("https:") else True,
            resolver=aiohttp.ThreadedResolver(),  # the system's own, whatever else is installed
        ),
        timeout=aiohttp.ClientTimeout(total=wire.timeout_s, sock_connect=wire.connect_timeout_s),
        headers=_headers(wire),
        cookie_jar=aiohttp.DummyCookieJar(),
        max_line_size=_LONGEST_HEADER,
        max_field_size=_LONGEST_HEADER,
    )


def _headers(wire: Wire) -> dict[str, str]:
    given = {header: os.environ.get(name) for name, header in _ORGANIZATION.items()}
    return {
        "Authorization": f"Bearer {wire.api_key}",
        "Accept": "application/json",
        "Content-Type": "application/json",
        "User-Agent": "kaizen-batch",
        **{header: value for header, value in given.items() if value is not None},
    }


def _ssl_context() -> ssl.SSLContext:
    """Whom the SDK trusts: SSL_CERT_FILE or SSL_CERT_DIR, else the system's store."""
    try:
        from httpx2 import create_ssl_context  # the SDK's own HTTP client, which knows where each system keeps it
    except ImportError:
        context = ssl.create_default_context()
    else:
        context = create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _proxy_options(url: str) -> dict[str, Any]:
    proxy = environment_proxy(url)
    if proxy is None:
        return {}
    parts = urlsplit(proxy)
    user, separator, where = parts.netloc.rpartition("@")
    options: dict[str, Any] = {"proxy": urlunsplit((parts.scheme, where, "", "", ""))}
    if separator:
        options["proxy_headers"] = {"Proxy-Authorization": f"Basic {b64encode(unquote(user).encode()).decode()}"}
    return options
