"""Errors over HTTP: the kind, the code and the words of each, for every family of servers."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch import errors as e
from kaizen_batch.limits.retries import AbortRun, AttemptCounts, FailItem, RetryAfter, RetryPolicy
from kaizen_batch.providers.error_responses import error_from_response, retry_after_s, status_inside

EXHAUSTED = ["insufficient_quota", "credit_balance_exhausted", "x_spend_limit_exceeded", "x_usage_limit_exceeded"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


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
    assert error.code == (code or ("permission_denied" if status == 403 else kind.default_code))
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


TOO_LARGE = (
    "Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Requested 45000. The "
    "input or output tokens must be reduced in order to run successfully."
)
THROTTLED = "Rate limit reached for gpt-4o on tokens per min (TPM): Limit 30000, Used 29000, Requested 2000."
RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "6s"}
QUOTA = [
    {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED"},
    {"@type": "type.googleapis.com/google.rpc.LocalizedMessage", "message": "Too fast."},
    {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaValue": "10"}]},
    {"@type": "type.googleapis.com/google.rpc.Help", "links": [{"url": "https://ai.google.dev/"}]},
]
GEMINI = {
    "code": 429,
    "message": "Resource exhausted",
    "status": "RESOURCE_EXHAUSTED",
    "details": [*QUOTA, RETRY_INFO],
}
KEY_INVALID = {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}
FLAGGED = {"reasons": ["violence"], "flagged_input": "secret prompt"}
OPENROUTER = {"message": "Provider returned error", "code": 400, "metadata": {"provider_name": "X", "raw": "{}"}}
FASTAPI = {"detail": [{"loc": ["body", "messages"], "msg": "Field required", "input": {"prompt": "secret prompt"}}]}

# server, status, body, kind, code, words in the message
FAMILIES: list[tuple[str, int, Any, type[e.ProviderError], str, str]] = [
    (
        "OpenAI",
        400,
        {"error": {"message": "bad", "type": "invalid_request_error", "code": None}},
        e.BadRequestError,
        "invalid_request_error",
        "HTTP 400: bad",
    ),
    (
        "OpenAI",
        401,
        {"error": {"message": "Incorrect API key", "code": "invalid_api_key"}},
        e.AuthenticationError,
        "invalid_api_key",
        "check the key",
    ),
    (
        "OpenAI: no access to the model",
        403,
        {"error": {"message": "no access", "code": "model_not_found"}},
        e.ModelNotFoundError,
        "model_not_found",
        "check model",
    ),
    (
        "OpenAI: a request above the limit",
        429,
        {"error": {"message": TOO_LARGE, "code": "rate_limit_exceeded"}},
        e.BadRequestError,
        "request_too_large",
        "Requested 45000",
    ),
    (
        "OpenAI: a throttle",
        429,
        {"error": {"message": THROTTLED, "type": "tokens", "code": "rate_limit_exceeded"}},
        e.ThrottledError,
        "rate_limit_exceeded",
        "Used 29000",
    ),
    ("Azure", 401, {"statusCode": 401, "message": "Access denied"}, e.AuthenticationError, "invalid_api_key", "denied"),
    (
        "Azure: no such deployment",
        404,
        {"error": {"code": "DeploymentNotFound", "message": "none"}},
        e.ModelNotFoundError,
        "DeploymentNotFound",
        "none",
    ),
    (
        "Azure: a filtered prompt",
        400,
        {"error": {"code": "content_filter", "message": "filtered", "innererror": {}}},
        e.BadRequestError,
        "content_filter",
        "filtered",
    ),
    (
        "Azure: too fast",
        429,
        {"error": {"code": "429", "message": "retry later"}},
        e.ThrottledError,
        "rate_limit_exceeded",
        "retry later",
    ),
    (
        "OpenRouter",
        402,
        {"error": {"code": 402, "message": "Insufficient credits"}},
        e.QuotaExhaustedError,
        "insufficient_quota",
        "Insufficient credits",
    ),
    (
        "OpenRouter: the provider's error",
        400,
        {"error": {**OPENROUTER, "metadata": {"provider_name": "X", "raw": '{"error": {"message": "the real one"}}'}}},
        e.BadRequestError,
        "bad_request",
        "Provider returned error: the real one (X)",
    ),
    (
        "OpenRouter: moderation",
        403,
        {
            "error": {
                "code": 403,
                "message": "flagged",
                "metadata": {"reasons": ["violence"], "flagged_input": "secret prompt"},
            }
        },
        e.AuthenticationError,
        "permission_denied",
        "flagged: violence",
    ),
    (
        "DeepSeek: an empty account",
        402,
        {"error": {"message": "Insufficient Balance", "type": "unknown_error", "code": "invalid_request_error"}},
        e.QuotaExhaustedError,
        "insufficient_quota",
        "Insufficient Balance",
    ),
    (
        "Moonshot: an empty account",
        429,
        {"error": {"message": "suspended due to insufficient balance", "type": "exceeded_current_quota_error"}},
        e.QuotaExhaustedError,
        "exceeded_current_quota_error",
        "suspended",
    ),
    (
        "Anthropic: an empty account",
        400,
        {
            "type": "error",
            "error": {
                "type": "invalid_request_error",
                "message": "Your credit balance is too low to access the Anthropic API.",
            },
        },
        e.QuotaExhaustedError,
        "insufficient_quota",
        "too low",
    ),
    (
        "Anthropic: overloaded",
        529,
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
        e.OverloadedError,
        "overloaded_error",
        "Overloaded",
    ),
    ("Gemini: too fast", 429, [{"error": GEMINI}], e.ThrottledError, "RESOURCE_EXHAUSTED", "Resource exhausted"),
    (
        "Gemini: a wrong key",
        400,
        [{"error": {**KEY_INVALID, "details": [{"reason": "API_KEY_INVALID"}]}}],
        e.AuthenticationError,
        "INVALID_ARGUMENT",
        "not valid",
    ),
    (
        "Groq: too large",
        413,
        {"error": {"message": TOO_LARGE, "type": "tokens", "code": "rate_limit_exceeded"}},
        e.BadRequestError,
        "request_too_large",
        "shorten",
    ),
    (
        "xAI: one prompt refused",
        403,
        {"code": "permission-denied", "error": "Content violates usage guidelines."},
        e.AuthenticationError,
        "permission-denied",
        "Content violates",
    ),
    (
        "xAI: a code that is a sentence",
        400,
        {"code": "Client specified an invalid argument", "error": "too long"},
        e.BadRequestError,
        "bad_request",
        "too long",
    ),
    (
        "Mistral",
        422,
        {"object": "error", "message": "invalid role", "type": "invalid_request_message", "code": "3230"},
        e.BadRequestError,
        "invalid_request_message",
        "invalid role",
    ),
    (
        "llama.cpp",
        400,
        {"error": {"code": 400, "message": "too long", "type": "exceed_context_size_error"}},
        e.BadRequestError,
        "exceed_context_size_error",
        "too long",
    ),
    (
        "LiteLLM",
        400,
        {"error": {"message": "Invalid model name", "type": None, "code": "400"}},
        e.BadRequestError,
        "bad_request",
        "Invalid model name",
    ),
    (
        "LiteLLM: JSON inside of a text",
        400,
        {"error": {"message": '{"error": {"message": "inner"}}', "code": "400"}},
        e.BadRequestError,
        "bad_request",
        "HTTP 400: inner",
    ),
    ("Ollama", 404, {"error": "model 'x' not found"}, e.ModelNotFoundError, "model_not_found", "model 'x' not found"),
    ("FastAPI", 422, FASTAPI, e.BadRequestError, "bad_request", "body.messages: Field required"),
    ("FastAPI", 404, {"detail": "Not Found"}, e.ModelNotFoundError, "model_not_found", "HTTP 404: Not Found"),
    ("TGI", 424, {"error": "Generation failed", "error_type": "generation"}, e.ServerError, "generation", "failed"),
    ("plain text", 500, "Internal Server Error", e.ServerError, "server_error", "HTTP 500: Internal Server Error"),
    (
        "Cloudflare",
        403,
        "<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title>",
        e.AuthenticationError,
        "permission_denied",
        "HTTP 403: Attention Required! | Cloudflare",
    ),
    (
        "nginx",
        502,
        "<html>\r\n<head><title>502 Bad Gateway</title></head><body>secret prompt</body></html>",
        e.ServerError,
        "server_error",
        "HTTP 502: 502 Bad Gateway",
    ),
    ("a proxy", 407, "", e.AuthenticationError, "proxy_authentication", "HTTP 407"),
]


@pytest.mark.parametrize(
    ("status", "said", "kind", "code", "words"), [row[1:] for row in FAMILIES], ids=[row[0] for row in FAMILIES]
)
def test_an_error_of_every_family(status: int, said: Any, kind: type[e.ProviderError], code: str, words: str) -> None:
    error = error_from_response(status, said, {})
    assert (type(error), error.code, error.status) == (kind, code, status)
    assert words in error.message and "secret prompt" not in error.message
    assert error.message.isprintable()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *[(status, e.ServerError) for status in (408, 409, 421, 423, 424, 425, 499, 500, 501, 504, 520, 599)],
        *[(status, e.OverloadedError) for status in (498, 529)],
        *[(status, e.BadRequestError) for status in (300, 304, 400, 405, 406, 410, 411, 414, 415, 418, 431, 451)],
    ],
)
def test_a_status_outside_of_the_table_has_a_kind(status: int, kind: type[e.ProviderError]) -> None:
    assert type(error_from_response(status, "", {})) is kind


@pytest.mark.parametrize(
    ("headers", "seconds"), [({}, 6.0), ({"retry-after": "3"}, 3.0), ({"retry-after": "junk"}, 6.0)]
)
def test_the_wait_inside_of_the_body_counts_if_no_header_says_it(headers: dict[str, str], seconds: float) -> None:
    assert error_from_response(429, [{"error": GEMINI}], headers).retry_after_s == seconds


def test_a_request_that_is_too_large_is_not_retried_whatever_a_header_says() -> None:
    error = error_from_response(429, {"error": {"message": TOO_LARGE}}, {"x-should-retry": "true"})
    assert isinstance(RetryPolicy()(error, AttemptCounts(failures=1)), FailItem)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"error": {"code": 402}}, 402),
        ({"error": {"code": "429"}}, 429),
        ({"error": {"status": 503}}, 503),
        ({"error": {"code": 7, "status": "RESOURCE_EXHAUSTED"}}, 429),
        ({"error": {"type": "invalid_request_error", "message": "x"}}, 400),
        ({"error": "loading"}, 500),
        ({"error": {"code": True}}, 500),
        ({"error": {"code": 200}}, 500),
    ],
)
def test_the_status_inside_of_a_200(said: Any, status: int) -> None:
    assert status_inside(said) == status


@pytest.mark.parametrize(
    "error",
    [
        {"message": "no sk-secret", "code": "bad-sk-secret", "type": "sk-secret"},
        {"message": "x" * 10_000, "type": "Bearer sk-secret"},
        "sk-secret",
        "x" * 495 + "sk-secret",
    ],
)
def test_a_secret_that_the_endpoint_quotes_is_masked(error: Any) -> None:
    failure = error_from_response(400, {"error": error}, {}, secret="sk-secret")
    assert "sk-s" not in f"{failure!r} {failure.message} {failure.code}"
    assert len(failure.message) < 600


@given(st.integers(300, 599), JSON, st.dictionaries(st.sampled_from(["retry-after", "x-should-retry"]), st.text()))
def test_any_error_body_is_an_error_in_one_line(status: int, anything: Any, headers: Mapping[str, str]) -> None:
    for said in (anything, {"error": anything}, [anything], {"detail": anything}, {"error": {"message": anything}}):
        error = error_from_response(status, said, headers)
        assert error.message.isprintable() and len(error.message) < 700
        assert not error.code.isdigit()
        decision = RetryPolicy(retry_after_max=1e12)(error, AttemptCounts(failures=1, throttles=1))
        assert isinstance(decision, RetryAfter if error.retryable else AbortRun if error.fatal else FailItem)
