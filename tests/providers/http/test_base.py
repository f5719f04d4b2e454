"""Which client makes the calls, and what both take from the environment: proxies, certificates, TLS."""

import asyncio
import logging
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest
import trustme
from httpx2._utils import URLPattern, get_environment_proxies

from kaizen_batch import BatchConfig, ConfigError
from kaizen_batch.errors import NoAnswerError, TlsError
from kaizen_batch.providers import OpenAIProvider, create_provider
from kaizen_batch.providers.http.base import Target, TransportName
from kaizen_batch.providers.http.environment import environment_proxy
from tests.providers.http.raw import HANG, KEY, RawServer, Seen, Writer, provider, request

BOTH = pytest.mark.parametrize("transport", ["fast", "sdk"])
URL = "https://api.example.com/v1"
_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*_PROXY_VARIABLES, *map(str.lower, _PROXY_VARIABLES), "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


# The choice.

NEEDS_SDK: list[tuple[str, dict[str, str], str]] = [
    ("https://mine.openai.azure.com/openai/v1", {}, "Azure"),
    ("https://mine.services.ai.azure.com/openai/v1", {}, "Azure"),
    (URL, {"HTTPS_PROXY": "socks5://127.0.0.1:1080"}, "not plain HTTP but socks5"),
    (URL, {"ALL_PROXY": "https://127.0.0.1:1080"}, "not plain HTTP but https"),
    (URL, {"OPENAI_CUSTOM_HEADERS": "X-Team: a"}, "OPENAI_CUSTOM_HEADERS is set"),
    (URL, {"OPENAI_LOG": "debug"}, "OPENAI_LOG is set"),
    ("https://user@127.0.0.1/v1", {}, "not a plain http"),
    ("https://127.0.0.1/v1?a=b", {}, "not a plain http"),
]
FAST: list[tuple[str, dict[str, str]]] = [
    (URL, {}),
    ("http://127.0.0.1:8000/v1", {}),
    ("https://azure.com.example.org/v1", {}),
    (URL, {"HTTPS_PROXY": "http://user:secret@127.0.0.1:8080"}),
    (URL, {"HTTP_PROXY": "socks5://127.0.0.1:1080"}),
    (URL, {"ALL_PROXY": "socks5://127.0.0.1:1080", "NO_PROXY": "example.com"}),
]


@pytest.mark.parametrize(("url", "environment", "why"), NEEDS_SDK)
def test_what_only_the_sdk_can_do_goes_through_the_sdk(
    url: str, environment: dict[str, str], why: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    caplog.set_level(logging.INFO, logger="kaizen_batch")
    assert not provider(url, "auto")._fast
    assert [why in record.message for record in caplog.records] == [True]
    with pytest.raises(ConfigError, match=why):
        provider(url, "fast")
    assert not provider(url, "sdk")._fast
    assert len(caplog.records) == 1, "who asks for the SDK need not be told why"


@pytest.mark.parametrize(("url", "environment"), FAST)
def test_everything_else_goes_through_the_lean_client(
    url: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    caplog.set_level(logging.INFO, logger="kaizen_batch")
    assert provider(url, "auto")._fast and provider(url, "fast")._fast
    assert not caplog.records


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1:99999/v1", "http://127.0.0.1:-1/v1", "http://127.0.0.1:http/v1", "http://127.0.0.1:0/v1"),
        *("http:///v1", "http://[::1/v1", "unix:///run/model.sock", "ftp://127.0.0.1/v1", "api.openai.com/v1", "x"),
        *("http://127.0.0.1/v1\r\nX-Evil: 1", "http://ho st/v1", "http://127.0.0.1/v1 "),
    ],
)
@pytest.mark.parametrize("transport", ["auto", "fast", "sdk"])
def test_an_invalid_url_is_a_config_error_that_names_the_option(url: str, transport: str) -> None:
    with pytest.raises(ConfigError, match="base_url"):
        provider(url, transport)
    with pytest.raises(ConfigError, match="base_url"):
        create_provider(BatchConfig(base_url=url))


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:99999", "http://u:secret@:80", "http://u:secret@ho st:80"])
def test_an_invalid_proxy_is_a_config_error_that_names_the_variable(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(ConfigError, match="HTTPS_PROXY") as caught:
        provider(URL)
    assert "secret" not in str(caught.value)


def test_the_transport_is_a_provider_option() -> None:
    config = BatchConfig(base_url="http://127.0.0.1:8000/v1", provider_options={"transport": "sdk"})
    assert not create_provider(config)._fast


@pytest.mark.parametrize("given", ["Fast", "", "aiohttp"])
def test_an_unknown_transport_is_a_config_error(given: str) -> None:
    with pytest.raises(ConfigError, match="transport is one of 'auto', 'fast', 'sdk'"):
        provider(URL, given)


@pytest.mark.parametrize("key", ["sk-1234\n", "sk-\u201c1234", "sk\r\nX-Evil: 1"])
def test_a_key_that_no_header_can_hold_is_refused_and_not_quoted(key: str) -> None:
    with pytest.raises(ConfigError, match="contains a character") as caught:
        provider(URL, api_key=key)
    assert "1234" not in str(caught.value) and "Evil" not in str(caught.value)


def test_the_key_is_in_no_repr() -> None:
    assert KEY not in repr(Target(URL, KEY)) + repr(provider(URL)) + str(provider(URL)._target)


@pytest.mark.parametrize(
    ("transport", "own", "wanted", "keeps"),
    [
        ("auto", 5.0, 5.0, True),
        ("auto", 5.0, 9.0, True),
        ("auto", 5.0, 4.0, False),
        ("auto", None, 5.0, False),
        ("auto", 5.0, None, False),
        ("sdk", 5.0, 5.0, False),
    ],
)
def test_who_ends_a_late_call(transport: TransportName, own: float | None, wanted: float | None, keeps: bool) -> None:
    provider = OpenAIProvider(base_url="http://127.0.0.1:9/v1", timeout_s=own, transport=transport)
    assert provider.keeps_timeout(wanted) is keeps


def test_the_base_url_of_the_environment_is_the_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    assert OpenAIProvider(api_key=KEY).endpoint == "http://127.0.0.1:9/v1"


# Proxies.

NO_PROXY = [
    *("", "*", "example.com", ".example.com", "*.example.com", "ample.com", "api.example.com", "API.Example.COM"),
    *("api.example.com:443", "api.example.com:8443", "example.com:8443", "other.org, example.com", "localhost"),
    *("127.0.0.1", "127.0.0.0/8", "10.0.0.0/8", "::1", "[::1]", "fe80::/10", "https://api.example.com"),
    *("http://api.example.com", "https://", "https://example.com"),
]
URLS = [
    *("https://api.example.com/v1", "http://api.example.com/v1", "https://api.example.com:8443/v1"),
    *("https://example.com", "https://wwwexample.com/v1", "http://127.0.0.1:8000/v1", "http://localhost:8000/v1"),
    *("http://[::1]:8000/v1", "https://a.localhost/v1"),
]
PROXIES = [
    {"HTTP_PROXY": "http://a:1", "HTTPS_PROXY": "b:2"},
    {"ALL_PROXY": "http://c:3", "HTTPS_PROXY": ""},
    {"all_proxy": "http://c:3", "https_proxy": "http://b:2"},
]


@pytest.mark.parametrize("no_proxy", NO_PROXY)
@pytest.mark.parametrize("proxies", PROXIES, ids=["schemes", "all", "lower case"])
def test_the_proxy_is_the_one_that_the_sdk_takes(
    no_proxy: str, proxies: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**proxies, "NO_PROXY": no_proxy}.items():
        monkeypatch.setenv(name, value)
    patterns = sorted((URLPattern(key), proxy) for key, proxy in get_environment_proxies().items())
    for url in URLS:
        theirs = next((proxy for pattern, proxy in patterns if pattern.matches(httpx2.URL(url))), None)
        assert environment_proxy(url) == theirs, url


@BOTH
async def test_a_call_goes_through_the_proxy_and_with_its_password(
    transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with RawServer() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://us%40er:pass@127.0.0.1:{proxy.port}")
        done = await provider("http://model.example.com/v1", transport).complete(request())
    [seen] = proxy.seen
    assert (done.text, seen.line) == ("hi", "POST http://model.example.com/v1/chat/completions HTTP/1.1")
    assert (seen.headers["host"], seen.headers["authorization"]) == ("model.example.com", f"Bearer {KEY}")
    assert seen.headers["proxy-authorization"] == "Basic dXNAZXI6cGFzcw=="


@BOTH
async def test_tls_goes_through_a_tunnel_that_never_sees_the_key(
    transport: str, monkeypatch: pytest.MonkeyPatch, authority: tuple[Path, ssl.SSLContext]
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority[0]))
    async with RawServer(tls=authority[1]) as server, RawServer() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:pass@127.0.0.1:{proxy.port}")
        ours = provider(server.url, transport)
        async with ours.session():
            texts = [(await ours.complete(request())).text for _ in range(3)]
    assert texts == ["hi"] * 3 and len(server.seen) == 3
    [seen] = proxy.seen
    assert seen.line == f"CONNECT localhost:{server.port} HTTP/1.1"
    assert seen.headers["proxy-authorization"] == "Basic dXNlcjpwYXNz"
    assert "authorization" not in seen.headers
    assert "proxy-authorization" not in server.seen[0].headers


@BOTH
@pytest.mark.parametrize("no_proxy", ["localhost", "*"])
async def test_no_proxy_goes_there_directly(transport: str, no_proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with RawServer() as server, RawServer() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", no_proxy)
        await provider(server.url, transport).complete(request())
    assert (len(server.seen), proxy.seen) == (1, [])


@BOTH
async def test_a_proxy_that_does_not_let_through_is_no_connection(
    transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with RawServer() as gone:
        pass
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:secret@127.0.0.1:{gone.port}")
    with pytest.raises(NoAnswerError) as caught:
        await provider(URL, transport).complete(request())
    assert (caught.value.code, caught.value.may_be_billed) == ("connection", False)
    assert "secret" not in caught.value.message


# TLS.


@BOTH
@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
async def test_an_authority_of_ones_own_is_trusted(
    transport: str,
    variable: str,
    monkeypatch: pytest.MonkeyPatch,
    authority: tuple[Path, ssl.SSLContext],
    tmp_path: Path,
) -> None:
    path, context = authority
    if variable == "SSL_CERT_DIR":
        if shutil.which("openssl") is None:
            pytest.skip("the name of a file in SSL_CERT_DIR is a hash that only openssl makes")
        (tmp_path / f"{_subject_hash(path)}.0").write_bytes(path.read_bytes())
        path = tmp_path
    monkeypatch.setenv(variable, str(path))
    async with RawServer(tls=context) as server:
        ours = provider(server.url, transport)
        async with ours.session():
            texts = [(await ours.complete(request())).text for _ in range(3)]
    assert (texts, server.opened) == (["hi"] * 3, 1)


@BOTH
async def test_an_unknown_authority_is_refused_before_anything_is_sent(
    transport: str, authority: tuple[Path, ssl.SSLContext]
) -> None:
    async with RawServer(tls=authority[1]) as server:
        with pytest.raises(TlsError, match="authority that is not trusted; set SSL_CERT_FILE") as caught:
            await provider(server.url, transport).complete(request())
    assert (caught.value.code, caught.value.may_be_billed, server.seen) == ("certificate_unknown_ca", False, [])


@BOTH
async def test_a_certificate_for_another_name_is_refused(
    transport: str, monkeypatch: pytest.MonkeyPatch, authority: tuple[Path, ssl.SSLContext]
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority[0]))
    async with RawServer(tls=authority[1]) as server:
        with pytest.raises(TlsError, match="is for another") as caught:
            await provider(server.url.replace("localhost", "127.0.0.1"), transport).complete(request())
    assert caught.value.code == "certificate_wrong_host"
    assert not server.seen


def _subject_hash(path: Path) -> str:
    command = ["openssl", "x509", "-hash", "-noout", "-in", str(path)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


async def test_cancelled_calls_over_tls_leave_no_connection(
    monkeypatch: pytest.MonkeyPatch, authority: tuple[Path, ssl.SSLContext]
) -> None:
    async def hang(seen: Seen, writer: Writer) -> bytes:
        return HANG

    monkeypatch.setenv("SSL_CERT_FILE", str(authority[0]))
    async with RawServer(hang, authority[1]) as server:
        ours = provider(server.url, max_concurrent=50)
        async with ours.session():
            calls = [asyncio.create_task(ours.complete(request())) for _ in range(50)]
            await server.until(lambda: len(server.seen) > 25)  # the others are in their handshakes
            for call in calls:
                call.cancel()
            await asyncio.wait(calls)
            await server.until(lambda: not server.open_now)


Demanding = tuple[Path, int, list[bytes]]
"""The file of an authority, the port of a server that takes only clients with its certificates, and what it read."""


@pytest.fixture
def demanding(version: ssl.TLSVersion, tmp_path: Path) -> Iterator[Demanding]:
    # asyncio's servers send no alert when a handshake fails, as all others do: this one has a thread.
    made, path, read = trustme.CA(), tmp_path / "ca.pem", list[bytes]()
    made.cert_pem.write_to_path(str(path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    made.issue_cert("localhost").configure_cert(context)
    made.configure_trust(context)

    def serve(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                plain, _ = listener.accept()
                with plain, context.wrap_socket(plain.dup(), server_side=True, do_handshake_on_connect=False) as tls:
                    with suppress(ssl.SSLError):
                        tls.do_handshake()
                        read.append(tls.recv(100_000))
                    plain.shutdown(socket.SHUT_WR)
                    while plain.recv(100_000):  # else the reset of the close can overtake the alert
                        pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield path, listener.getsockname()[1], read
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize(
    ("version", "code"),
    [(ssl.TLSVersion.TLSv1_2, "handshake"), (ssl.TLSVersion.TLSv1_3, "client_certificate")],
    ids=["TLS 1.2", "TLS 1.3"],
)
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("way", ["directly", "tunnel"])
def test_a_server_that_demands_a_client_certificate_ends_the_run_and_nothing_is_billed(
    code: str, loop: str, way: str, monkeypatch: pytest.MonkeyPatch, demanding: Demanding
) -> None:
    path, port, read = demanding
    monkeypatch.setenv("SSL_CERT_FILE", str(path))

    async def call() -> TlsError:
        async with RawServer() as proxy:
            if way == "tunnel":
                monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
            ours = provider(f"https://localhost:{port}/v1")
            async with ours.session():
                with pytest.raises(TlsError, match="client certificate") as caught:
                    await ours.complete(request())
        return caught.value

    with asyncio.Runner(loop_factory=pytest.importorskip(loop).new_event_loop) as runner:
        error = runner.run(call())
    assert (error.code, error.may_be_billed, error.fatal, read) == (code, False, True, [])
