"""What an endpoint answered, as our own error or completion: one row for each row of the error table."""

import contextlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch import errors as e
from kaizen_batch.prices import Usage
from kaizen_batch.providers.base import Completion
from kaizen_batch.providers.chat_responses import (
    HttpResponse,
    completion_from_answer,
    completion_from_body,
    error_from_response,
    retry_after_s,
)

EXHAUSTED = ["insufficient_quota", "credit_balance_exhausted", "x_spend_limit_exceeded", "x_usage_limit_exceeded"]
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


def body(code: str | None) -> dict[str, Any]:
    return {"error": {"message": "words", "code": code}}


@pytest.mark.parametrize(
    ("status", "code", "kind", "retryable", "fatal"),
    [
        *[(s, None, e.BadRequestError, False, False) for s in (400, 413, 422)],
        *[(s, None, e.AuthenticationError, False, True) for s in (401, 403)],
        (404, None, e.ModelNotFoundError, False, True),
        *[(s, None, e.ServerError, True, False) for s in (408, 409, 500, 502, 503)],
        *[(429, c, e.ThrottledError, True, False) for c in ("rate_limit_exceeded", "slow_down", None)],
        *[(429, c, e.QuotaExhaustedError, False, True) for c in EXHAUSTED],
        (503, "server_is_overloaded", e.OverloadedError, True, False),
    ],
)
def test_the_error_table(
    status: int, code: str | None, kind: type[e.ProviderError], retryable: bool, fatal: bool
) -> None:
    error = error_from_response(status, body(code), {})
    assert (type(error), error.retryable, error.fatal, error.status) == (kind, retryable, fatal, status)
    assert error.code == (code or kind.default_code)
    assert "words" in error.message


@pytest.mark.parametrize("code", EXHAUSTED)
def test_an_exhausted_quota_is_never_retryable(code: str) -> None:
    error = error_from_response(429, body(code), {"x-should-retry": "true"})
    assert (error.retryable, error.fatal) == (False, True)


@pytest.mark.parametrize("status", [400, 409, 429, 500, 503])
@pytest.mark.parametrize(("said", "retryable"), [("true", True), ("false", False)])
def test_x_should_retry_wins_otherwise(status: int, said: str, retryable: bool) -> None:
    assert error_from_response(status, body(None), {"x-should-retry": said}).retryable is retryable


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "junk", "retry-after": "9"}, 9.0),
        ({"retry-after": "2.5"}, 2.5),
        *[({"retry-after": text}, None) for text in ("", "junk", "-1", "nan", "0")],
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, None),
        ({"retry-after": "Wed, 21 Oct 99999999999999999999 07:28:00 GMT"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds


def test_retry_after_as_a_date() -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert retry_after_s({"retry-after": moment}) == pytest.approx(100, abs=5)


def test_a_good_body() -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}}
    completion = completion_from_body({**GOOD, "usage": usage}, {"x": "y"})
    assert (completion.text, completion.finish_reason, completion.model) == ("hi", "stop", "m")
    assert (completion.usage, completion.headers) == (Usage(5, 2, 1), {"x": "y"})


@pytest.mark.parametrize("bad", [None, "text", [], {}, {"choices": []}, {"choices": [{}]}, {"choices": {}}, 7])
def test_a_malformed_body_is_a_server_error(bad: Any) -> None:
    with pytest.raises(e.ServerError) as caught:
        completion_from_body(bad, {})
    assert (caught.value.code, caught.value.may_be_billed) == ("bad_response", True)


@pytest.mark.parametrize("tokens", [None, "many", [1], -1, 10**13, float("inf")])
def test_usage_that_makes_no_sense_is_unknown_and_not_nothing(tokens: Any) -> None:
    for name, other in (("prompt_tokens", "completion_tokens"), ("completion_tokens", "prompt_tokens")):
        assert completion_from_body({**GOOD, "usage": {name: tokens, other: 3}}, {}).usage is None


def test_names_that_are_no_texts_are_unknown() -> None:
    choice = {"message": {"content": "hi", "refusal": False}, "finish_reason": {"type": "stop"}}
    completion = completion_from_body({"choices": [choice], "model": ["m"]}, {})
    assert (completion.text, completion.refusal, completion.finish_reason, completion.model) == ("hi", None, None, None)


@given(BODIES | LIKELY)
def test_the_quick_way_to_read_an_answer_gives_what_the_slow_one_gives(anything: Any) -> None:
    text = json.dumps(anything).encode()
    quick = _outcome(lambda: completion_from_answer(HttpResponse(200, {"x": "y"}, text)))
    assert quick == _outcome(lambda: completion_from_body(json.loads(text), {"x": "y"}))


def _outcome(read: Callable[[], Completion]) -> Completion | str:
    try:
        return read()
    except e.ServerError as error:
        return error.message


@given(BODIES)
def test_any_json_is_a_completion_that_a_journal_can_keep_or_a_server_error(anything: Any) -> None:
    with contextlib.suppress(e.ServerError):
        done = completion_from_body(anything, {})
        texts = (done.text, done.refusal, done.finish_reason, done.model)
        assert all(isinstance(text, str | None) for text in texts)
        assert done.usage is None or 0 <= done.usage.cached_tokens <= done.usage.input_tokens < 2**63


@pytest.mark.parametrize(
    "error",
    [
        {"message": "no sk-secret", "code": "bad sk-secret", "type": "sk-secret"},
        {"message": "x" * 10_000, "type": "Bearer sk-secret"},
        "sk-secret",
        "x" * 195 + "sk-secret",
    ],
)
def test_a_secret_that_the_endpoint_quotes_is_shown_nowhere(error: Any) -> None:
    failure = error_from_response(400, {"error": error}, {}, secret="sk-secret")
    assert "sk-" not in f"{failure!r} {failure.message} {failure.code}"
    assert len(failure.message) < 2_100


@given(st.integers(400, 599), JSON)
def test_any_json_of_a_failure_is_a_provider_error(status: int, anything: Any) -> None:
    assert isinstance(error_from_response(status, {"error": anything}, {}), e.ProviderError)
