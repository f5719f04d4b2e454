"""Answers: the bytes of a completion, and how each billed fault changes them."""

import json

import pytest

from kaizen_batch.simulator import Reply, Simulator
from kaizen_batch.simulator.answers import Call, RawResponse, answer, read_call, reply_bytes

from .raw_http import ask, send


async def test_truncated_announces_the_whole_body_and_closes_in_the_middle() -> None:
    with Simulator(rate_truncated=1.0) as simulator:
        answer = await ask(simulator)
    assert answer.status == 200
    assert 0 < len(answer.body) < int(answer.headers["content-length"])
    assert simulator.ledger.billed == 1


async def test_bad_json_is_half_a_body_of_the_right_length() -> None:
    with Simulator(rate_bad_json=1.0) as simulator:
        answer = await ask(simulator)
    assert len(answer.body) == int(answer.headers["content-length"])
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.body)


async def test_not_json_is_a_page_of_html() -> None:
    with Simulator(rate_not_json=1.0) as simulator:
        answer = await ask(simulator)
    assert (answer.status, answer.headers["content-type"], answer.body[:6]) == (200, "text/html", b"<html>")
    assert simulator.ledger.billed == 1


async def test_wrong_type_is_the_right_answer_as_text() -> None:
    with Simulator(rate_wrong_type=1.0) as simulator:
        answer = await ask(simulator)
    assert answer.headers["content-type"] == "text/plain"
    assert json.loads(answer.body)["usage"]["total_tokens"] == simulator.ledger.entries[0].tokens


async def test_no_usage_is_the_right_answer_without_it() -> None:
    with Simulator(rate_no_usage=1.0) as simulator:
        answer = json.loads((await ask(simulator)).body)
    assert "usage" not in answer
    assert answer["choices"][0]["message"]["content"] == "mock answer to: hello"
    assert simulator.ledger.entries[0].tokens > 0


async def test_a_duplicate_id_is_that_of_another_answer() -> None:
    with Simulator(rate_duplicate_id=1.0) as simulator:
        await ask(simulator, "one")
        two = json.loads((await ask(simulator, "two")).body)
    with Simulator() as simulator:
        one = json.loads((await ask(simulator, "one")).body)
    assert two["id"] == one["id"]
    assert two["choices"][0]["message"]["content"] == "mock answer to: two"


@pytest.mark.parametrize("raw", [b"{", b"[]", b'{"messages": []}', b'{"messages": [{"content": 7}]}', b"\xff"])
async def test_a_body_that_is_no_chat_is_a_400(simulator: Simulator, raw: bytes) -> None:
    head = b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(raw)
    answer = await send(simulator, head + raw)
    assert answer is not None and (answer.status, answer.code) == (400, "invalid_request")
    assert (simulator.ledger.calls, simulator.ledger.billed, simulator.ledger.in_flight) == (1, 0, 0)


async def test_content_in_parts_is_read_as_one_text(simulator: Simulator) -> None:
    parts = [{"type": "text", "text": "hel"}, {"type": "text", "text": "lo"}]
    answer = await ask(simulator, messages=[{"role": "user", "content": parts}])
    assert json.loads(answer.body)["choices"][0]["message"]["content"] == "mock answer to: hel\nlo"


def call(prompt: str, **more: object) -> Call:
    return read_call(json.dumps({"messages": [{"role": "user", "content": prompt}], **more}).encode(), 0.0)


def test_a_call_is_identified_by_its_prompt() -> None:
    assert call("a", model="one").id == call("a", model="two").id != call("b").id
    assert call("a").tokens == call("a").prompt_tokens + call("a").output_tokens


def test_a_torn_and_a_hung_call_have_no_bytes() -> None:
    for fault, then in (("torn", "abort"), ("hang", "hang")):
        faulty = call("a")
        faulty.fault = fault
        assert answer(faulty, "other") == RawResponse(b"", then)  # type: ignore[arg-type]


def test_the_headers_of_a_reply_override_the_others() -> None:
    sent = reply_bytes(Reply(418, "tea", {"Content-Type": "text/tea", "X-Mine": "1"}), {"x-mine": "0", "x-other": "2"})
    head, _, body = sent.partition(b"\r\n\r\n")
    assert head.splitlines()[0] == b"HTTP/1.1 418 I'm a Teapot"
    assert {b"content-type: text/tea", b"x-mine: 1", b"x-other: 2", b"content-length: 3"} <= set(head.splitlines())
    assert body == b"tea"
