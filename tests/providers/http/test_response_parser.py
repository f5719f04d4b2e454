"""The parser of a connection: responses arrive in any pieces, one after another, and none can grow without bound."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch.providers.chat_responses import HttpResponse
from kaizen_batch.providers.http.frames import ResponseError
from kaizen_batch.providers.http.response_parser import ResponseParser

LIMIT = 100_000


def plain(body: bytes, *more: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *more, "", ""]
    return "\r\n".join(lines).encode() + body


def chunked(*chunks: bytes) -> bytes:
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + b"0\r\n\r\n"


def feed(parser: ResponseParser, data: bytes, size: int) -> list[HttpResponse]:
    pieces = (parser.feed(memoryview(data[at : at + size])) for at in range(0, len(data), size))
    return [response for response in pieces if response is not None]


@given(st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=4), st.integers(1, 50), st.booleans())
def test_responses_are_read_in_any_pieces(bodies: list[bytes], size: int, in_chunks: bool) -> None:
    parser = ResponseParser(LIMIT)
    for body in bodies:
        data = chunked(body, body) if in_chunks else plain(body)
        [response] = feed(parser, data, size)
        assert (response.status, response.body) == (200, body * 2 if in_chunks else body)
        assert parser.keep


def test_bytes_after_the_response_end_the_connection() -> None:
    parser = ResponseParser(LIMIT)
    assert parser.feed(memoryview(plain(b"one") + plain(b"two"))) is not None
    assert not parser.keep


def test_a_response_that_the_strict_parser_refuses_is_read_leniently() -> None:
    data = plain(b"yes").replace(b"\r\n", b"\n")
    [response] = feed(ResponseParser(LIMIT), data, len(data))
    assert response.body == b"yes"


def test_a_body_until_the_close_ends_with_the_connection() -> None:
    parser = ResponseParser(LIMIT)
    assert feed(parser, b"HTTP/1.1 200 OK\r\n\r\nhalf", 7) == []
    response = parser.end()
    assert response is not None and response.body == b"half"
    assert not parser.keep


def test_a_truncated_response_is_none_and_an_error_status_is_salvaged() -> None:
    parser = ResponseParser(LIMIT)
    feed(parser, b"HTTP/1.1 503 Busy\r\nContent-Length: 9\r\nRetry-After: 2\r\n\r\nhal", 10)
    assert parser.end() is None
    salvaged = parser.salvage()
    assert salvaged is not None
    assert (salvaged.status, salvaged.headers) == (503, {"retry-after": "2"})


@pytest.mark.parametrize(
    "data", [plain(b"x" * (LIMIT + 1)), chunked(*[b"x" * 5_000] * 30), b"HTTP/1.1 200 OK\r\n" * 9_000]
)
def test_no_response_grows_without_bound(data: bytes) -> None:
    with pytest.raises(ResponseError):
        feed(ResponseParser(LIMIT), data, 4_096)


def test_another_protocol_is_an_error() -> None:
    with pytest.raises(ResponseError, match="does not speak HTTP"):
        feed(ResponseParser(LIMIT), b"SSH-2.0-OpenSSH_9.6\r\n\r\n", 100)
