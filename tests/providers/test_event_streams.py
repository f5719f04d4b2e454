"""Event streams and trailers that nobody asked for."""

import json
from typing import Any

import pytest

from kaizen_batch.providers.event_streams import read_lenient_json


def events(*chunks: Any) -> bytes:
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks).encode()


def test_the_chunks_of_a_stream_make_one_completion() -> None:
    body = read_lenient_json(
        events(
            {"model": "m", "choices": [{"delta": {"content": "a"}}]},
            {"choices": [{"delta": {"content": "b", "refusal": None}}], "usage": None},
            {"choices": [{"delta": {}, "finish_reason": "stop"}]},
            {"choices": [], "usage": {"total_tokens": 3}},
        )
    )
    assert body["choices"] == [{"message": {"content": "ab"}, "finish_reason": "stop"}]
    assert (body["model"], body["usage"]) == ("m", {"total_tokens": 3})


def test_an_event_of_several_lines() -> None:
    assert read_lenient_json(b'event: x\ndata: {"choices":\ndata: []}\n\ndata: [DONE]') == {}


def test_an_error_in_a_stream_is_an_error_body() -> None:
    body = read_lenient_json(events({"choices": [{"delta": {"content": "a"}}]}, {"error": {"code": 502}}))
    assert body["error"] == {"code": 502}


def test_parts_are_joined() -> None:
    part = {"type": "text", "text": "a"}
    chunk = {"choices": [{"delta": {"content": [part]}}]}
    body = read_lenient_json(events(chunk, chunk) + b"data: [DONE]\n\n")
    assert body["choices"][0]["message"]["content"] == [part, part]


@pytest.mark.parametrize(
    "raw",
    [
        events({"choices": [{"delta": {"content": "half an ans"}}]}),
        b'data: {"choices"',
        b"data: [1]\n\n",
        b'{"a": 1} and more',
        b"hello",
        b"",
    ],
)
def test_anything_else_is_a_value_error(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_lenient_json(raw)
