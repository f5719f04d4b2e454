"""Origins: which URLs share one, and the head of a request, directly and through a proxy."""

from urllib.parse import urlsplit

import pytest

from kaizen_batch.providers.http.origin import Address, Origin


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def head(url: str, headers: dict[str, str] | None = None) -> list[str]:
    parts = urlsplit(url)
    return Origin(parts).request_head("POST", parts, headers or {}).decode().split("\r\n")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.example/v1", "https://a.example:443/v2", True),
        ("https://a.example", "http://a.example", False),
        ("https://a.example", "https://b.example", False),
        ("http://a.example:8000", "http://a.example:9000", False),
    ],
)
def test_scheme_host_and_port_make_an_origin(one: str, other: str, same: bool) -> None:
    assert (Origin.key_of(urlsplit(one)) == Origin.key_of(urlsplit(other))) is same


def test_a_request_has_the_path_the_host_and_the_headers() -> None:
    lines = head("https://a.example:8443/v1/chat?x=1", {"Authorization": "Bearer sk"})
    assert lines[0] == "POST /v1/chat?x=1 HTTP/1.1"
    assert "Host: a.example:8443" in lines
    assert "Authorization: Bearer sk" in lines


def test_the_port_of_the_scheme_and_credentials_are_not_sent() -> None:
    lines = head("https://user:secret@a.example:443/v1")
    assert "Host: a.example" in lines
    assert "secret" not in "".join(lines)


def test_a_path_is_quoted_so_that_it_cannot_end_the_line() -> None:
    assert head("http://a.example/v1/a b é")[0] == "POST /v1/a%20b%20%C3%A9 HTTP/1.1"


def test_a_plain_proxy_gets_the_whole_url_and_its_own_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://user:pass@proxy.example:3128")
    lines = head("http://a.example/v1")
    assert lines[0] == "POST http://a.example/v1 HTTP/1.1"
    assert "Proxy-Authorization: Basic dXNlcjpwYXNz" in lines


def test_over_tls_the_proxy_sees_no_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://user:pass@proxy.example:3128")
    lines = head("https://a.example/v1")
    assert lines[0] == "POST /v1 HTTP/1.1"
    assert not [line for line in lines if line.startswith("Proxy-Authorization")]


@pytest.mark.parametrize(
    ("url", "host", "port", "is_name"),
    [
        ("https://a.example", "a.example", 443, True),
        ("http://127.0.0.1:8000", "127.0.0.1", 8000, False),
        ("http://[::1]", "::1", 80, False),
    ],
)
def test_an_address_is_a_name_or_a_number(url: str, host: str, port: int, is_name: bool) -> None:
    assert Address.of(urlsplit(url)) == Address(host, port, is_name)
