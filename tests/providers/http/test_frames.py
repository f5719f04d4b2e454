"""The head of a response: its status, the headers that matter, and where its body ends."""

import pytest

from kaizen_batch.providers.http.frames import INVALID_LENGTH, ResponseError, keep_alive_of, parse_head


def head(*lines: str, status: str = "HTTP/1.1 200 OK") -> bytes:
    return "\r\n".join([status, *lines]).encode("latin-1")


@pytest.mark.parametrize(
    ("lines", "length", "chunked", "until_close"),
    [
        (("Content-Length: 12",), 12, False, False),
        (("Content-Length: 12", "Content-Length: 12"), 12, False, False),
        (("Content-Length: 12", "Content-Length: 13"), INVALID_LENGTH, False, False),
        (("Content-Length: -1",), INVALID_LENGTH, False, False),
        (("Transfer-Encoding: chunked",), None, True, False),
        (("Content-Length: 12", "Transfer-Encoding: chunked"), None, True, False),
        (("Transfer-Encoding: gzip, chunked",), None, True, False),
        ((), None, False, True),
    ],
)
def test_the_end_of_the_body(lines: tuple[str, ...], length: int | None, chunked: bool, until_close: bool) -> None:
    frame = parse_head(head(*lines)).frame
    assert (frame.length, frame.chunked, frame.until_close) == (length, chunked, until_close)


@pytest.mark.parametrize("status", ["HTTP/1.1 204 No Content", "HTTP/1.1 304 Not Modified", "HTTP/1.1 100 Continue"])
def test_some_statuses_have_no_body(status: str) -> None:
    assert parse_head(head(status=status)).frame.length == 0


@pytest.mark.parametrize(
    ("status", "connection", "keep"),
    [
        ("HTTP/1.1 200 OK", "keep-alive", True),
        ("HTTP/1.1 200 OK", "close", False),
        ("HTTP/1.0 200 OK", "", False),
        ("HTTP/1.0 200 OK", "Keep-Alive", True),
    ],
)
def test_the_connection_is_kept_if_both_sides_may(status: str, connection: str, keep: bool) -> None:
    assert parse_head(head(f"Connection: {connection}", "Content-Length: 0", status=status)).frame.keep is keep


def test_a_body_until_the_close_ends_the_connection() -> None:
    assert not parse_head(head("Connection: keep-alive")).frame.keep


def test_only_headers_that_matter_are_kept_and_folded_lines_are_joined() -> None:
    found = parse_head(head("X-Ratelimit-Limit-Requests: 60", "Server: nginx", "Retry-After:", " 7"))
    assert found.headers == {"x-ratelimit-limit-requests": "60", "retry-after": "7"}
    assert found.status == 200


@pytest.mark.parametrize("first", ["HTTP/2 200", "SSH-2.0-OpenSSH", "HTTP/1.1 20"])
def test_another_protocol_is_an_error(first: str) -> None:
    with pytest.raises(ResponseError, match="does not speak HTTP"):
        parse_head(head(status=first))


def test_keep_alive_says_seconds_and_calls() -> None:
    assert keep_alive_of("timeout=5, max=100") == (5, 100)
    assert keep_alive_of('Timeout="5"') == (5, None)
    assert keep_alive_of("whatever") == (None, None)
