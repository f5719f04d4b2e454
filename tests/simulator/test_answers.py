"""Answers: the bytes of a completion, and how each billed fault changes them."""

import json

import pytest

from kaizen_batch import BatchProcessorAgent, InputField, OutputField, Signature
from kaizen_batch.simulator import Reply, Simulator
from kaizen_batch.simulator.answers import Call, RawResponse, answer, completion_bytes, read_call, reply_bytes

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


SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}, "team": {"enum": ["billing", "tech"]}}}


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("format", [None, {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}])
def test_an_answer_ends_at_the_limit_of_its_request_json_included(limit: str, format: object) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "a rather long question " * 9}]}
    if format is not None:
        body["response_format"] = format
    whole, cut = (read_call(json.dumps({**body, limit: most}).encode(), 0.0) for most in (500, 3))
    assert (whole.finish_reason, cut.finish_reason) == ("stop", "length")
    assert cut.output_tokens == 3 and whole.text.startswith(cut.text) and len(cut.text) == 12
    choice = json.loads(completion_bytes(cut))["choices"][0]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("length", cut.text)
    if format is not None:
        assert json.loads(whole.text)["team"] in ("billing", "tech")
        with pytest.raises(json.JSONDecodeError):
            json.loads(cut.text)


class Ticket(Signature):
    """A ticket."""

    text: str = InputField()
    name: str = OutputField()
    why: str = OutputField()


async def test_json_that_was_cut_off_fails_its_row_with_the_code_length() -> None:
    with Simulator() as simulator:
        agent = BatchProcessorAgent(base_url=simulator.base_url, signature=Ticket, max_tokens=3, max_reasks=0)
        result = await agent.run_batch(["a ticket about an invoice"])
    assert result.summary.failures == {"length": 1}
