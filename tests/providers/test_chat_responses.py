"""What an endpoint answered, as our own completion or error: a test for each row of what servers really send."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch import BatchConfig, ProcessingSignature
from kaizen_batch import errors as e
from kaizen_batch.agents import ModelAgent
from kaizen_batch.limits.retries import AbortRun, AttemptCounts, RetryAfter, RetryPolicy
from kaizen_batch.prices import Usage
from kaizen_batch.providers import Completion, MockProvider
from kaizen_batch.providers.chat_responses import HttpResponse, completion_from_body, read_response

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
MESSAGES = st.fixed_dictionaries({}, optional={"content": JSON, "refusal": JSON}) | JSON
CHOICES = st.lists(st.fixed_dictionaries({"message": MESSAGES}, optional={"finish_reason": JSON}) | JSON, max_size=2)
USAGE = st.dictionaries(
    st.sampled_from(["prompt_tokens", "completion_tokens", "prompt_tokens_details", "cached_tokens"]), JSON
)
BODIES = JSON | st.fixed_dictionaries({"choices": CHOICES | JSON}, optional={"usage": USAGE | JSON, "model": JSON})
COUNTS = st.integers(-1, 9) | st.sampled_from([None, True, 1.0, 10**12, 10**13, 2**70])
LIKELY_USAGE = st.none() | st.fixed_dictionaries(
    {"prompt_tokens": COUNTS, "completion_tokens": COUNTS},
    optional={"prompt_tokens_details": st.none() | st.fixed_dictionaries({}, optional={"cached_tokens": COUNTS})},
)
LIKELY_TEXT = st.none() | st.text(st.characters(categories=["L", "Cs", "Cc"])) | st.booleans()
LIKELY_CHOICES = st.lists(
    st.fixed_dictionaries(
        {"message": st.fixed_dictionaries({}, optional={"content": LIKELY_TEXT, "refusal": LIKELY_TEXT})},
        optional={"finish_reason": LIKELY_TEXT},
    ),
    max_size=2,
)
LIKELY = st.fixed_dictionaries({"choices": LIKELY_CHOICES}, optional={"usage": LIKELY_USAGE, "model": st.text()})
GOOD = {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}], "model": "m"}
CONFIG = BatchConfig(llm_provider="mock", on_empty="fail")
AGENT = ModelAgent(CONFIG, ProcessingSignature, MockProvider())


def chat(message: Any, finish_reason: Any = "stop", **more: Any) -> dict[str, Any]:
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    return {"choices": [{"message": message, "finish_reason": finish_reason}], "usage": usage, "model": "m", **more}


def read(body: Any, status: int = 200) -> Completion:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_response(HttpResponse(status, {}, raw))


def answer(body: Any) -> dict[str, Any]:
    """What an item gets: its outputs, or an error."""
    return AGENT.parse(AGENT.prepare("x"), read(body))


def test_a_good_body() -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}}
    completion = completion_from_body({**GOOD, "usage": usage}, {"x": "y"})
    assert (completion.text, completion.finish_reason, completion.model) == ("hi", "stop", "m")
    assert (completion.usage, completion.headers) == (Usage(5, 2, 1), {"x": "y"})


# Answers, although not in the standard's shape.

PARTS = [{"type": "thinking", "thinking": [{"type": "text", "text": "hmm"}]}, {"type": "text", "text": "final"}]
SSE = b"""\xef\xbb\xbf: ping

data: {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "fi"}}]}\r
\r
data: {"choices": [{"index": 1, "delta": {"content": "other"}}, {"index": 0, "delta": {"content": "nal"}}]}

data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}

data: {"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}}

data: [DONE]
"""
ANSWERS: dict[str, Any] = {
    "as expected": chat({"content": "final"}),
    "a list of parts": chat({"content": PARTS}),
    "a list of texts": chat({"content": ["fi", "nal"]}),
    "one part": chat({"content": {"type": "text", "text": "final"}}),
    "an unknown finish reason": chat({"content": "final"}, "eos"),
    "no finish reason": chat({"content": "final"}, None),
    "a text completion": {"choices": [{"text": "final", "finish_reason": "stop"}], **chat(None) | {"choices": 0}}
    | {"choices": [{"text": "final", "finish_reason": "stop"}]},
    "an event stream": SSE,
    "one event with the whole": b"data: " + json.dumps(chat({"content": "final"})).encode() + b"\n\ndata: [DONE]\n\n",
    "JSON, then [DONE]": json.dumps(chat({"content": "final"})).encode() + b"data: [DONE]\n\n",
    "a byte-order mark": b"\xef\xbb\xbf" + json.dumps(chat({"content": "final"})).encode(),
    "UTF-16": json.dumps(chat({"content": "final"})).encode("utf-16"),
    "NaN beside the answer": json.dumps({**chat({"content": "final"}), "x": float("nan")}).encode(),
    "error: null": chat({"content": "final"}, error=None),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_what_is_an_answer_is_read(name: str) -> None:
    done = read(ANSWERS[name])
    assert (answer(ANSWERS[name]), done.usage, done.model) == ({"result": "final"}, Usage(10, 5), "m")


@pytest.mark.parametrize(
    "message",
    [
        {"content": "a", "reasoning_content": "hmm"},
        {"content": "a", "reasoning": "hmm"},
        {"content": [{"type": "thinking", "thinking": "hmm"}, {"type": "text", "text": "a"}]},
        {"content": [{"type": "reasoning", "text": "hmm"}, "a"]},
    ],
)
def test_the_reasoning_is_kept_apart(message: Any) -> None:
    done = read(chat(message))
    assert (done.text, done.reasoning) == ("a", "hmm")


def test_the_reasoning_of_an_event_stream() -> None:
    chunks = [{"reasoning": "h"}, {"reasoning": "m"}, {"content": "a"}]
    events = [{"choices": [{"delta": delta}]} for delta in chunks] + [{"choices": [{"finish_reason": "stop"}]}]
    done = read("".join(f"data: {json.dumps(event)}\n\n" for event in events).encode())
    assert (done.text, done.reasoning) == ("a", "hm")


# Answers that cannot be used.

UNUSABLE: list[tuple[str, Any, type[e.OutputError], str]] = [
    ("reasoning only", chat({"content": None, "reasoning_content": "hmm"}), e.EmptyOutputError, "empty_output"),
    ("reasoning only", chat({"content": "", "reasoning": "hmm"}), e.EmptyOutputError, "empty_output"),
    ("tool calls only", chat({"content": None, "tool_calls": [{}]}, "tool_calls"), e.EmptyOutputError, "empty_output"),
    ("blank", chat({"content": " \n"}), e.EmptyOutputError, "empty_output"),
    ("no message", chat(None), e.EmptyOutputError, "empty_output"),
    ("cut off while thinking", chat({"content": "", "reasoning": "hmm"}, "length"), e.TruncatedOutputError, "length"),
    ("cut off, Gemini", chat(None, "MAX_TOKENS"), e.TruncatedOutputError, "length"),
    ("refusal", chat({"content": None, "refusal": "I cannot"}), e.RefusedOutputError, "refusal"),
    ("content filter", chat({"content": "ha"}, "content_filter"), e.RefusedOutputError, "content_filter"),
    ("Gemini", chat({"content": ""}, "PROHIBITED_CONTENT"), e.RefusedOutputError, "content_filter"),
    ("Gemini", chat({"content": None}, "content_filter: SAFETY"), e.RefusedOutputError, "content_filter"),
    ("Gemini", chat({"content": ""}, "RECITATION"), e.RefusedOutputError, "content_filter"),
    ("no choices", {"choices": [], "usage": chat(0)["usage"]}, e.RefusedOutputError, "content_filter"),
    ("no message, filtered", chat(None, "content_filter"), e.RefusedOutputError, "content_filter"),
]


@pytest.mark.parametrize(("body", "kind", "code"), [row[1:] for row in UNUSABLE], ids=[row[0] for row in UNUSABLE])
def test_what_is_no_answer_is_an_output_error_and_paid(body: Any, kind: type[e.OutputError], code: str) -> None:
    done = read(body)
    with pytest.raises(e.OutputError) as caught:
        AGENT.parse(AGENT.prepare("x"), done)
    assert (type(caught.value), caught.value.code, done.usage) == (kind, code, Usage(10, 5))


def test_a_filter_s_own_word_is_in_the_message() -> None:
    with pytest.raises(e.RefusedOutputError, match="content filter stopped the answer: PROHIBITED_CONTENT"):
        answer(chat({"content": ""}, "PROHIBITED_CONTENT"))


# Errors inside of a 200.

UPSTREAM = {"error": {"code": 502, "message": "Upstream idle timeout"}, "finish_reason": "error", "message": {}}


def test_a_failed_generation_that_was_billed_is_priced_and_retried() -> None:
    body = {"choices": [UPSTREAM], "usage": chat(0)["usage"]}
    assert read(body).usage == Usage(10, 5)
    with pytest.raises(e.ServerError, match="Upstream idle timeout") as caught:
        answer(body)
    assert caught.value.retryable


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        ({"choices": [UPSTREAM]}, e.ServerError, "server_error"),
        ({"choices": [{"message": {"content": "ha"}, "finish_reason": "error"}]}, e.ServerError, "generation_failed"),
        ({"choices": [{"message": {"content": ""}, "finish_reason": "abort"}]}, e.ServerError, "generation_failed"),
    ],
)
def test_a_failed_generation_without_usage_may_be_billed(body: Any, kind: type[e.ProviderError], code: str) -> None:
    with pytest.raises(kind) as caught:
        read(body)
    assert (caught.value.code, caught.value.may_be_billed, caught.value.retryable) == (code, True, True)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": 402, "message": "Insufficient credits"}, e.QuotaExhaustedError),
        ({"code": "402", "message": "Insufficient credits"}, e.QuotaExhaustedError),
        ({"code": 429, "message": "slower"}, e.ThrottledError),
        ({"code": "429", "message": "slower"}, e.ThrottledError),
        ({"status": "RESOURCE_EXHAUSTED", "message": "slower"}, e.ThrottledError),
        ({"code": 500, "message": "broken"}, e.ServerError),
        ({"code": 400, "message": "bad"}, e.BadRequestError),
        ({"message": "bad", "type": "invalid_request_error"}, e.BadRequestError),
        ({"code": 401, "message": "no"}, e.AuthenticationError),
        ("model is loading", e.ServerError),
    ],
)
def test_an_error_inside_of_a_200_counts_as_its_status(error: Any, kind: type[e.ProviderError]) -> None:
    for body in ({"error": error}, [{"error": error}], {"error": error, "choices": []}):
        with pytest.raises(kind) as caught:
            read(body)
        assert not caught.value.may_be_billed
        assert (error if isinstance(error, str) else error["message"]) in caught.value.message


# What is nothing of all this.


@pytest.mark.parametrize(
    "body",
    [
        *(None, "text", [], {}, {"choices": {}}, {"choices": None}, {"choices": ["x"]}, {"hello": "world"}, 7),
        *({"choices": [{"message": {"content": 7}}]}, {"choices": [{"message": "hi"}]}),
        *(b"", b"{", b"<html><title>Log in</title>secret</html>", b"data: {", b'data: {"choices": []}', b"data: 7\n\n"),
        *(b"\xff\xfe", b"{}{}", b"[" * 100_000),
    ],
)
def test_what_is_no_chat_completion_may_be_billed_and_is_retried(body: Any) -> None:
    with pytest.raises(e.ServerError) as caught:
        read(body)
    error = caught.value
    assert (error.code, error.may_be_billed, error.retryable) == ("bad_response", True, True)
    assert "secret" not in error.message and error.message.isprintable()


def test_the_title_of_a_page_is_shown() -> None:
    with pytest.raises(e.ServerError, match="not a chat completion but an HTML page: Log in"):
        read(b"<html><title>Log in</title></html>")


def test_names_that_are_no_texts_are_unknown() -> None:
    choice = {"message": {"content": "hi", "refusal": False}, "finish_reason": {"type": "stop"}}
    completion = completion_from_body({"choices": [choice], "model": ["m"]}, {})
    assert (completion.text, completion.refusal, completion.finish_reason, completion.model) == ("hi", None, None, None)


# Properties.


@given(BODIES | LIKELY)
def test_the_fast_path_gives_what_the_tolerant_one_gives(anything: Any) -> None:
    text = json.dumps(anything).encode()
    fast = _outcome(lambda: read_response(HttpResponse(200, {"x": "y"}, text)))
    assert fast == _outcome(lambda: completion_from_body(json.loads(text), {"x": "y"}))


def _outcome(read: Callable[[], Completion]) -> Completion | str:
    try:
        return read()
    except e.ProviderError as error:
        return f"{error.type_name} {error.code} {error.message} {error.may_be_billed}"


def _answer_or_error(raw: bytes, status: int) -> Any:
    try:
        done = read_response(HttpResponse(status, {}, raw))
        return AGENT.parse(AGENT.prepare("x"), done)
    except e.KaizenBatchError as error:
        return error


@given(BODIES | LIKELY, st.sampled_from([200, 201, 299]))
def test_a_malformed_response_is_an_answer_with_a_text_or_an_error(anything: Any, status: int) -> None:
    end = _answer_or_error(json.dumps(anything).encode(), status)
    if isinstance(end, dict):
        assert end["result"].strip()
        return
    assert isinstance(end, e.ProviderError | e.OutputError)
    decision = RetryPolicy()(end, AttemptCounts(failures=1, reasks=1), max_reasks=1)
    if isinstance(end, e.RefusedOutputError | e.TruncatedOutputError | e.BadRequestError):
        assert not isinstance(decision, RetryAfter | AbortRun)
    inside = isinstance(anything, dict) and (anything.get("error") or "error" in json.dumps(anything.get("choices")))
    assert inside or not isinstance(decision, AbortRun)


@given(st.binary() | st.binary().map(lambda raw: b"data: " + raw) | st.binary().map(lambda raw: b"{" + raw))
def test_any_bytes_are_an_error(raw: bytes) -> None:
    assert isinstance(_answer_or_error(raw, 200), e.ProviderError | e.OutputError)


@given(BODIES | LIKELY)
def test_a_completion_can_be_kept_in_a_journal(anything: Any) -> None:
    try:
        done = completion_from_body(anything, {})
    except e.ProviderError:
        return
    texts = (done.text, done.refusal, done.finish_reason, done.model, done.reasoning)
    assert all(isinstance(text, str | None) for text in texts)
    assert done.usage is None or 0 <= done.usage.cached_tokens <= done.usage.input_tokens < 2**63
