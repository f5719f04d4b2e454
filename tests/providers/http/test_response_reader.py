"""Both readers give the same, however the bytes are cut; hypothesis cuts them."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch.providers.chat_responses import HttpResponse
from kaizen_batch.providers.http.frames import ResponseError, ResponseTooLargeError
from kaizen_batch.providers.http.response_parser import ResponseParser
from kaizen_batch.providers.http.response_reader import ResponseReader

LIMIT = 10_000
BODIES = st.binary(max_size=200)
CUTS = st.lists(st.integers(1, 60), max_size=30)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    found, at = [], 0
    for cut in cuts:
        found.append(data[at : at + cut])
        at += cut
    return [piece for piece in [*found, data[at:]] if piece]


def read(reader: ResponseReader | ResponseParser, data: bytes, cuts: list[int]) -> HttpResponse | None:
    for piece in pieces(data, cuts):
        given = memoryview(piece) if isinstance(reader, ResponseParser) else piece
        response = reader.feed(given)  # type: ignore[arg-type]
        if response is not None:
            return response
    return None


def with_length(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nRetry-After: 3\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def chunked(body: bytes, sizes: list[int]) -> bytes:
    chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces(body, sizes)]
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(chunks) + b"0\r\n\r\n"


@given(BODIES, CUTS)
def test_a_body_of_known_length(body: bytes, cuts: list[int]) -> None:
    for reader in (ResponseReader(LIMIT), ResponseParser(LIMIT)):
        assert read(reader, with_length(body), cuts) == HttpResponse(200, {"retry-after": "3"}, body)
        assert reader.keep


@given(BODIES, CUTS, CUTS)
def test_a_chunked_body(body: bytes, sizes: list[int], cuts: list[int]) -> None:
    for reader in (ResponseReader(LIMIT), ResponseParser(LIMIT)):
        assert read(reader, chunked(body, sizes), cuts) == HttpResponse(200, {}, body)
        assert reader.keep


@given(BODIES, CUTS)
def test_a_compressed_body(body: bytes, cuts: list[int]) -> None:
    packed = gzip.compress(body)
    data = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(packed), packed)
    for reader in (ResponseReader(LIMIT), ResponseParser(LIMIT)):
        assert read(reader, data, cuts) == HttpResponse(200, {}, body)


@given(st.binary(), CUTS)
def test_any_bytes_are_a_response_or_a_response_error(data: bytes, cuts: list[int]) -> None:
    for reader in (ResponseReader(LIMIT), ResponseParser(LIMIT)):
        for given_data in (data, b"HTTP/1.1 200 OK\r\n" + data, chunked(b"", [])[:-5] + data):
            try:
                read(reader, given_data, cuts)
            except ResponseError:
                break


def test_what_follows_a_response_belongs_to_nobody() -> None:
    for reader in (ResponseReader(LIMIT), ResponseParser(LIMIT)):
        assert read(reader, with_length(b"x") + b"y", []) is not None
        assert not reader.keep


def test_a_tunnel_is_read_to_the_end_of_its_head() -> None:
    reader = ResponseReader(0, is_tunnel=True)
    assert reader.feed(b"HTTP/1.1 200 Connection established\r\n\r\n") == HttpResponse(200, {}, b"")


@pytest.mark.parametrize("reader", [ResponseReader(10), ResponseParser(10)])
def test_a_body_above_the_limit(reader: ResponseReader | ResponseParser) -> None:
    with pytest.raises(ResponseTooLargeError, match="larger than 10 bytes"):
        read(reader, with_length(b"x" * 11), [])
