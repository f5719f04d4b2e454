"""The benchmarks' endpoint: it reassembles requests, and its answers contain the prompt."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.bare import body_of
from benchmarks.ceiling import requests_per_s
from benchmarks.endpoint import answer, split


def request(body: bytes) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


@given(st.lists(st.binary(max_size=40), max_size=4), st.integers(1, 50))
def test_requests_are_reassembled_however_they_are_split(bodies: list[bytes], size: int) -> None:
    stream, data, found = b"".join(map(request, bodies)), b"", []
    for start in range(0, len(stream), size):
        data += stream[start : start + size]
        while (one := split(data)) is not None:
            body, data = one
            found.append(body)
    assert (found, data) == (bodies, b"")


@pytest.mark.parametrize("prompt", ["item 1: a line of text", 'with "quotes", a \\ and an é', ""])
def test_an_answer_is_a_chat_completion_with_the_prompt_in_it(prompt: str) -> None:
    head, _, body = answer(body_of(prompt)).partition(b"\r\n\r\n")
    assert b"content-length: %d" % len(body) in head
    completion = json.loads(body)
    assert completion["choices"][0]["message"]["content"] == f"mock answer to: {prompt}"
    assert completion["usage"]["total_tokens"] == completion["usage"]["prompt_tokens"] + 9


def test_the_rate_is_read_from_what_wrk_says() -> None:
    assert (
        requests_per_s("  11949 requests in 1.00s, 3MB read\nRequests/sec:  11903.36\nTransfer/sec: 3MB\n") == 11903.36
    )
