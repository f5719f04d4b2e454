"""What carries a request to an OpenAI-compatible endpoint: several ways, the same answers, and the choice."""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar, get_args
from urllib.parse import urlsplit

from kaizen_batch.errors import ConfigError, NoAnswerError
from kaizen_batch.providers.chat_responses import HttpResponse
from kaizen_batch.providers.http.environment import environment_proxy

T = TypeVar("T")
TransportName = Literal["auto", "fast", "sdk"]
_CONNECT_TIMEOUT_S = 10.0
_AZURE = (".azure.com", ".azure.us", ".azure.cn")
# What only the SDK acts on.
_SDK_VARIABLES = ("OPENAI_CUSTOM_HEADERS", "OPENAI_LOG")


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go and how; `timeout_s` are the seconds of one call, `max_concurrent` connections at most."""

    base_url: str
    api_key: str = field(repr=False)
    timeout_s: float | None = 120.0
    max_concurrent: int = 10

    @property
    def host(self) -> str:
        """The endpoint's host, without what may be secret around it."""
        return urlsplit(self.base_url).hostname or self.base_url

    @property
    def connect_timeout_s(self) -> float:
        """Seconds for opening a connection."""
        return min(_CONNECT_TIMEOUT_S, self.timeout_s or math.inf)


class Transport(Protocol):
    """One open client. It belongs to the loop that it was made on."""

    async def post(self, body: bytes, read: Callable[[HttpResponse, bytes], T]) -> T:
        """Send this JSON to `/chat/completions`, once; what `read` makes of the answer, which gets the JSON too.

        Raises: NoAnswerError when no answer came, and what `read` raises.
        """

    async def close(self) -> None:
        """Close every connection."""


def wants_fast(transport: TransportName, base_url: str) -> tuple[bool, str]:
    """Whether to take the lean client, and why not if it cannot do what the settings ask for.

    Raises: ConfigError for an unknown `transport`, or `"fast"` where the SDK is needed.
    """
    if transport not in get_args(TransportName):
        known = ", ".join(map(repr, get_args(TransportName)))
        raise ConfigError(f"transport is one of {known}; given: {transport!r}")
    reason = why_sdk(base_url) if transport != "sdk" else ""
    if reason and transport == "fast":
        raise ConfigError(f'transport="fast" cannot be had: {reason}; leave transport at "auto", or take "sdk"')
    return transport != "sdk" and not reason, reason


def why_sdk(base_url: str) -> str:
    """What in the settings or the environment only the SDK can do; empty if nothing."""
    url = urlsplit(base_url)
    host = url.hostname or ""
    if url.scheme not in ("http", "https") or not host or "@" in url.netloc or url.query or not base_url.isascii():
        return "base_url is not a plain http or https address"
    if host.endswith(_AZURE):
        return "base_url is an Azure endpoint"
    for name in _SDK_VARIABLES:
        if os.environ.get(name):
            return f"{name} is set"
    proxy = environment_proxy(base_url)
    if proxy and urlsplit(proxy).scheme != "http":
        return f"the proxy of the environment is not plain HTTP but {urlsplit(proxy).scheme}"
    return ""


# What the exceptions of the clients mean, in words.
_CAUSES = {
    "ConnectionRefusedError": "connection refused",
    "ConnectionResetError": "connection reset",
    "ClientConnectorError": "connection refused or host unreachable",
    "ClientConnectorDNSError": "host name not found",
    "ClientConnectorSSLError": "TLS handshake failed",
    "ClientConnectorCertificateError": "certificate not trusted",
    "SSLCertVerificationError": "certificate not trusted",
    "SSLError": "TLS handshake failed",
    "ServerDisconnectedError": "closed by the endpoint",
    "gaierror": "host name not found",
}


def no_answer(target: Target, cause: str) -> NoAnswerError:
    """A connection that broke after (part of) a request was sent; `cause` names the client's own exception."""
    words = _CAUSES.get(cause, cause)
    return NoAnswerError(f"the connection to {target.host} failed: {words}", code="connection")


def too_late(target: Target) -> NoAnswerError:
    """A time-out after a request was sent."""
    return NoAnswerError(f"no answer within {target.timeout_s or 0:g} s", code="timeout")


def not_connected(target: Target, cause: str, *, timeout: bool = False) -> NoAnswerError:
    """No connection came about, so that nothing was sent and nothing can be billed."""
    if timeout:
        error = NoAnswerError(f"no connection to {target.host} within {target.connect_timeout_s:g} s", code="timeout")
    else:
        error = no_answer(target, cause)
    error.may_be_billed = False
    return error
