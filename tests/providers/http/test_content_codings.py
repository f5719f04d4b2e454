"""Compressed responses: every coding is undone, and no response can grow beyond its limit."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch.providers.http.content_codings import ContentError, accepted_codings, decode

LIMIT = 10_000


def raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


@given(st.binary(max_size=LIMIT))
def test_every_coding_is_undone(data: bytes) -> None:
    assert decode(gzip.compress(data), ("gzip",), LIMIT) == data
    assert decode(zlib.compress(data), ("deflate",), LIMIT) == data
    assert decode(raw_deflate(data), ("deflate",), LIMIT) == data
    assert decode(data, ("identity",), LIMIT) == data
    assert decode(gzip.compress(zlib.compress(data)), ("deflate", "gzip"), 2 * LIMIT) == data


def test_several_members_of_gzip_are_one_body_and_a_trailer_is_ignored() -> None:
    assert (
        decode(gzip.compress(b"one", mtime=0) + gzip.compress(b"two", mtime=0) + b"\0\0", ("gzip",), LIMIT) == b"onetwo"
    )


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_bomb_stops_at_the_limit(coding: str) -> None:
    bomb = (gzip.compress if coding == "gzip" else zlib.compress)(b"x" * 10_000_000)
    with pytest.raises(ContentError, match="larger than 10,000 bytes") as caught:
        decode(bomb, (coding,), LIMIT)
    assert caught.value.too_large


def test_the_limit_applies_to_all_members_together() -> None:
    with pytest.raises(ContentError) as caught:
        decode(gzip.compress(b"x" * 6_000) * 2, ("gzip",), LIMIT)
    assert caught.value.too_large


@pytest.mark.parametrize(
    ("body", "codings", "message"),
    [
        (gzip.compress(b"data", mtime=0)[:-4], ("gzip",), "ends early"),
        (b"no gzip", ("gzip",), r"cannot be decompressed \(gzip\)"),
        (b"x", ("rot13",), "compressed as 'rot13', which cannot be read"),
        (b"x", ("identity",) * 6, "more than five times"),
    ],
)
def test_what_cannot_be_read_is_named(body: bytes, codings: tuple[str, ...], message: str) -> None:
    with pytest.raises(ContentError, match=message) as caught:
        decode(body, codings, LIMIT)
    assert not caught.value.too_large


def test_only_what_can_be_read_is_accepted() -> None:
    assert accepted_codings().startswith("gzip, deflate")
    for coding in ("br", "zstd"):
        if coding in accepted_codings():
            with pytest.raises(ContentError):
                decode(b"not compressed", (coding,), LIMIT)
