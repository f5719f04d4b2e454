"""The clients that carry a call to an OpenAI-compatible endpoint: their interface, and the choice between them."""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar, get_args
from urllib.parse import SplitResult, urlsplit

from kaizen_batch.errors import ConfigError
from kaizen_batch.providers.chat_responses import HttpResponse
from kaizen_batch.providers.http.environment import environment_proxy

T = TypeVar("T")
TransportName = Literal["auto", "fast", "sdk"]
MAX_RESPONSE_BYTES = 64 * 2**20
_CONNECT_TIMEOUT_S = 10.0
_AZURE = (".azure.com", ".azure.us", ".azure.cn")
# Only the SDK honors these.
_SDK_VARIABLES = ("OPENAI_CUSTOM_HEADERS", "OPENAI_LOG")


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go, and how.

    `timeout_s` are the seconds for one call, `max_concurrent` the most connections, `max_response_bytes` the most bytes
    of a response, before and after decompression, `headers` those of the user.
    """

    base_url: str
    api_key: str = field(repr=False)
    timeout_s: float | None = 120.0
    max_concurrent: int = 10
    max_response_bytes: int = MAX_RESPONSE_BYTES
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def host(self) -> str:
        """The endpoint's host and port, without anything secret."""
        return urlsplit(self.base_url).netloc.rpartition("@")[2] or self.base_url

    @property
    def connect_timeout_s(self) -> float:
        """Seconds for opening a connection."""
        return min(_CONNECT_TIMEOUT_S, self.timeout_s or math.inf)


class Transport(Protocol):
    """One open client. It belongs to the loop that it was created on."""

    async def post(self, body: bytes, read: Callable[[HttpResponse, bytes], T]) -> T:
        """Send this JSON to `/chat/completions`, once; what `read` makes of the response and of the JSON.

        Raises: NoAnswerError when no response came, TlsError, and what `read` raises.
        """

    def keep_idle(self, keep: bool) -> None:
        """Whether connections are kept after a call; without, those that are idle now are closed."""

    async def close(self) -> None:
        """Close every connection."""


def check_url(url: str, name: str) -> str:
    """The URL, if it can be used; `name` is the option or variable that holds it.

    Raises: ConfigError that names the option, without quoting a password.
    """
    if not url.isprintable() or " " in url:
        raise ConfigError(f"{name} contains a space or a control character")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"{name} is not a valid URL: {error}") from None
    if not parts.scheme or not parts.hostname or port == 0:
        given = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        raise ConfigError(f"{name} is not a valid URL such as http://127.0.0.1:8000; given: {given!r}")
    return url


def check_base_url(url: str) -> str:
    """The `base_url`, if it can be used; raises ConfigError."""
    if urlsplit(check_url(url, "base_url")).scheme not in ("http", "https"):
        raise ConfigError(f"base_url must begin with http:// or https://; given: {url.partition(':')[0]!r}")
    return url


def wants_fast(transport: TransportName, base_url: str) -> tuple[bool, str]:
    """Whether to use the lean client, and why not if it cannot do what the settings ask for.

    Raises: ConfigError for an unknown `transport`, or `"fast"` where the SDK is required.
    """
    if transport not in get_args(TransportName):
        known = ", ".join(map(repr, get_args(TransportName)))
        raise ConfigError(f"transport is one of {known}; given: {transport!r}")
    reason = why_sdk(base_url) if transport != "sdk" else ""
    if reason and transport == "fast":
        raise ConfigError(f'transport="fast" is not possible: {reason}; use transport="auto" or "sdk"')
    return transport != "sdk" and not reason, reason


def why_sdk(base_url: str) -> str:
    """The setting or environment variable that requires the SDK; empty if none does."""
    url = urlsplit(base_url)
    if not _is_plain(url) or not base_url.isascii():
        return "base_url is not a plain http or https address"
    if (url.hostname or "").endswith(_AZURE):
        return "base_url is an Azure endpoint"
    for name in _SDK_VARIABLES:
        if os.environ.get(name):
            return f"{name} is set"
    proxy = environment_proxy(base_url)
    if proxy is None:
        return ""
    scheme = urlsplit(check_url(proxy, "the proxy (HTTP_PROXY, HTTPS_PROXY or ALL_PROXY)")).scheme
    return "" if scheme == "http" else f"the proxy of the environment is not plain HTTP but {scheme}"


def _is_plain(url: SplitResult) -> bool:
    return url.scheme in ("http", "https") and bool(url.hostname) and "@" not in url.netloc and not url.query
