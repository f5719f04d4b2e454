"""Proxies and headers from the environment, by the rules of the SDK."""

import pytest

from kaizen_batch.providers.http.environment import endpoint_headers, environment_proxy, public_headers, ssl_context


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def test_without_variables_the_connection_is_direct() -> None:
    assert environment_proxy("https://api.openai.com/v1") is None


def test_each_scheme_has_its_proxy_and_all_proxy_is_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "proxy.example:3128")
    monkeypatch.setenv("all_proxy", "http://other.example")
    assert environment_proxy("https://api.openai.com/v1") == "http://proxy.example:3128"
    assert environment_proxy("http://127.0.0.1:8000/v1") == "http://other.example"


@pytest.mark.parametrize(
    ("no_proxy", "url", "direct"),
    [
        ("*", "https://api.openai.com", True),
        ("openai.com", "https://api.openai.com", True),
        ("openai.com", "https://notopenai.com", False),
        (".openai.com", "https://openai.com", False),
        ("localhost", "http://localhost:8000", True),
        ("localhost", "http://sub.localhost", False),
        ("10.0.0.0/8", "http://10.1.2.3", True),
        ("10.0.0.0/8", "http://11.1.2.3", False),
        ("example.com:8080", "http://example.com:8080", True),
        ("example.com:8080", "http://example.com:9090", False),
        ("https://", "https://example.com", True),
        ("https://", "http://example.com", False),
    ],
)
def test_no_proxy_exempts_hosts(monkeypatch: pytest.MonkeyPatch, no_proxy: str, url: str, direct: bool) -> None:
    monkeypatch.setenv("all_proxy", "http://proxy.example")
    monkeypatch.setenv("no_proxy", no_proxy)
    assert (environment_proxy(url) is None) is direct


def test_the_key_is_in_the_headers_of_the_endpoint_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    headers = endpoint_headers("sk-test")
    assert headers["Authorization"] == "Bearer sk-test"
    assert headers["OpenAI-Organization"] == "org-1"
    assert "Authorization" not in public_headers()


def test_certificates_are_verified_over_http_1_1() -> None:
    context = ssl_context()
    assert context.check_hostname
    assert context.verify_mode.name == "CERT_REQUIRED"
