"""The proxy that the environment asks for, by the rules of the SDK's HTTP client."""

from ipaddress import ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


def environment_proxy(url: str) -> str | None:
    """The proxy for an address, from HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY; None for a direct connection."""
    from urllib.request import getproxies  # it loads an HTTP client, which is not needed until there is an endpoint

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
        # A full address in NO_PROXY means that very host; without a host, the whole scheme.
        return _is_host(rest, url, exactly=True) and scheme in ("all", url.scheme) if rest else scheme == url.scheme
    return _is_host(entry, url, exactly=entry == "localhost")


def _is_host(entry: str, url: SplitResult, *, exactly: bool) -> bool:
    host = url.hostname or ""
    try:
        network = ip_network(entry.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        name, _, port = entry.rpartition(":") if entry.rpartition(":")[2].isdigit() else (entry, "", "")
        if port and (url.port in (None, _DEFAULT_PORTS.get(url.scheme)) or int(port) != url.port):
            return False
        suffix = name.removeprefix("*")
        if suffix.startswith("."):
            return host.endswith(suffix) and host != suffix
        return host == suffix or (not exactly and host.endswith(f".{suffix}"))
    try:
        return ip_address(host) in network
    except ValueError:
        return False
