"""What all clients take from the environment: the proxy, trusted certificates and headers, by the SDK's rules."""

import os
import ssl
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}
_NONE: Mapping[str, str] = {}
_ORGANIZATION = {"OPENAI_ORG_ID": "OpenAI-Organization", "OPENAI_PROJECT_ID": "OpenAI-Project"}


def environment_proxy(url: str) -> str | None:
    """The proxy for an address, from HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY; None for a direct connection."""
    from urllib.request import getproxies  # imports an HTTP client, which is not needed before there is an endpoint

    parts = urlsplit(url)
    found = getproxies()
    proxy = found.get(parts.scheme) or found.get("all")
    if not proxy or any(_exempts(entry.strip().lower(), parts) for entry in found.get("no", "").split(",")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _exempts(entry: str, url: SplitResult) -> bool:
    if entry in ("", "*"):
        return entry == "*"
    scheme, separator, rest = entry.partition("://")
    if separator:
        # A URL in NO_PROXY means exactly that host; without a host, the whole scheme.
        return _is_host(rest, url, exactly=True) and scheme in ("all", url.scheme) if rest else scheme == url.scheme
    return _is_host(entry, url, exactly=entry == "localhost")


def _is_host(entry: str, url: SplitResult, *, exactly: bool) -> bool:
    host = url.hostname or ""
    try:
        network = ip_network(entry.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return _is_name(entry, host, url, exactly=exactly)
    try:
        return ip_address(host) in network
    except ValueError:
        return False


def _is_name(entry: str, host: str, url: SplitResult, *, exactly: bool) -> bool:
    name, _, port = entry.rpartition(":") if entry.rpartition(":")[2].isdigit() else (entry, "", "")
    if port and (url.port in (None, _DEFAULT_PORTS.get(url.scheme)) or int(port) != url.port):
        return False
    suffix = name.removeprefix("*")
    if suffix.startswith("."):
        return host.endswith(suffix) and host != suffix
    return host == suffix or (not exactly and host.endswith(f".{suffix}"))


def endpoint_headers(api_key: str, more: Mapping[str, str] = _NONE) -> dict[str, str]:
    """The SDK's headers that endpoints act on, and the user's own, which replace others of the same name."""
    given = {header: os.environ.get(name) for name, header in _ORGANIZATION.items()}
    own = {header: value for header, value in given.items() if value is not None}
    headers = {"Authorization": f"Bearer {api_key}", **public_headers(), **own}
    replaced = {name.lower() for name in more}
    return {**{name: value for name, value in headers.items() if name.lower() not in replaced}, **more}


def public_headers() -> dict[str, str]:
    """The headers that any origin may see."""
    return {"Accept": "application/json", "Content-Type": "application/json", "User-Agent": "kaizen-batch"}


def ssl_context() -> ssl.SSLContext:
    """The SDK's trust store: SSL_CERT_FILE or SSL_CERT_DIR, else the system's."""
    try:
        from httpx2 import create_ssl_context  # the SDK's HTTP client, which knows each system's store
    except ImportError:
        context = ssl.create_default_context()
    else:
        context = create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
