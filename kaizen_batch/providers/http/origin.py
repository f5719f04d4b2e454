"""Where calls go: one origin (scheme, host and port), the proxy in front of it, and how a connection to it is opened.

Through a proxy, a call to `http://` is sent to the proxy with the whole URL; a call to `https://` goes through a tunnel
(CONNECT), and the proxy sees neither key nor prompt. A name's addresses are raced (RFC 8305): some lead nowhere.
"""

import asyncio
import base64
import socket
import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

from aiohappyeyeballs import start_connection

from kaizen_batch.providers.http.content_codings import accepted_codings
from kaizen_batch.providers.http.environment import environment_proxy, ssl_context
from kaizen_batch.providers.http.http11 import Connection

_RACE_S = 0.25  # RFC 8305
_PORTS = {"http": 80, "https": 443}


class ProxyError(ConnectionError):
    """The proxy refused to open a tunnel; `status` is its answer."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the proxy answered HTTP {status}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port; `is_name` says that the host has to be looked up."""

    host: str
    port: int
    is_name: bool

    @classmethod
    def of(cls, url: SplitResult) -> "Address":
        """The address in a URL."""
        host = url.hostname or ""
        return cls(host, url.port or _PORTS.get(url.scheme, 80), not _is_ip(host))


class Origin:
    """One origin; `connect` opens connections to it, `request_head` begins the requests sent on them."""

    def __init__(self, url: SplitResult) -> None:
        self.key: tuple[str, str | None, int] = self.key_of(url)
        self._authority = _authority(url)
        self._address = Address.of(url)
        self._tls = ssl_context() if url.scheme == "https" else None
        proxy = environment_proxy(url.geturl())
        self._proxy = urlsplit(proxy) if proxy else None

    @staticmethod
    def key_of(url: SplitResult) -> tuple[str, str | None, int]:
        """What makes two URLs of one origin."""
        return url.scheme, url.hostname, url.port or _PORTS[url.scheme]

    def request_head(self, method: str, url: SplitResult, headers: dict[str, str]) -> bytes:
        """The head of a request, without the blank line at its end."""
        path = quote(url.path or "/", safe="/%:@!$&'()*+,;=~-._") + (f"?{url.query}" if url.query else "")
        lines = [f"Host: {self._authority}", *(f"{name}: {value}" for name, value in headers.items())]
        lines.append(f"Accept-Encoding: {accepted_codings()}")
        if self._proxy is not None and self._tls is None:
            path = f"{url.scheme}://{self._authority}{path}"
            lines += _proxy_authorization(self._proxy)
        return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, ""]).encode("latin-1")

    async def connect(self, loop: asyncio.AbstractEventLoop, protocol: Connection) -> None:
        """Open a connection. Raises: OSError, ProxyError and what TLS raises; nothing was sent then."""
        began = loop.time()
        if self._proxy is None:
            tls: dict[str, Any] = {"ssl": self._tls, "server_hostname": self._address.host if self._tls else None}
            await loop.create_connection(lambda: protocol, **await _where(loop, self._address), **tls)
        else:
            await loop.create_connection(lambda: protocol, **await _where(loop, Address.of(self._proxy)))
            if self._tls is not None:
                await self._open_tunnel(loop, protocol, self._proxy, self._tls)
        protocol.round_trip_s = loop.time() - began

    async def _open_tunnel(
        self, loop: asyncio.AbstractEventLoop, protocol: Connection, proxy: SplitResult, tls: ssl.SSLContext
    ) -> None:
        host = f"[{self._address.host}]" if ":" in self._address.host else self._address.host
        there = f"{host}:{self._address.port}"
        lines = [f"CONNECT {there} HTTP/1.1", f"Host: {there}", *_proxy_authorization(proxy), "", ""]
        try:
            status = await protocol.tunnel("\r\n".join(lines).encode("latin-1"))
            if not 200 <= status < 300:
                raise ProxyError(status)
            transport = await loop.start_tls(protocol.transport, protocol, tls, server_hostname=self._address.host)
        except BaseException:
            protocol.abort()
            raise
        if transport is None:
            raise ConnectionResetError("the connection was closed during the TLS handshake")
        protocol.connection_made(transport)


async def _where(loop: asyncio.AbstractEventLoop, address: Address) -> dict[str, Any]:
    """An address for `create_connection`, or a socket connected to the first of a name's addresses that answers."""
    if not address.is_name:
        return {"host": address.host, "port": address.port}
    found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    # asyncio's own race leaves a socket open when it is cancelled at the last moment, and uvloop has none.
    return {"sock": await start_connection(found, happy_eyeballs_delay=_RACE_S, loop=loop)}


def _proxy_authorization(proxy: SplitResult) -> list[str]:
    if proxy.username is None:
        return []
    both = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return [f"Proxy-Authorization: Basic {base64.b64encode(both.encode()).decode()}"]


def _authority(url: SplitResult) -> str:
    """Host and port as they are sent, without credentials and without the scheme's own port."""
    host = url.netloc.rpartition("@")[2]
    return host.rpartition(":")[0] if url.port == _PORTS[url.scheme] else host


def _is_ip(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
