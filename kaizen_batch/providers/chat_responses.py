"""What an OpenAI-compatible endpoint answered, as our own completion or error. Pure functions, no I/O."""

import json
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from msgspec import Meta, Struct
from msgspec.json import Decoder

from kaizen_batch.errors import (
    AuthenticationError,
    BadRequestError,
    ModelNotFoundError,
    OverloadedError,
    ProviderError,
    QuotaExhaustedError,
    ServerError,
    ThrottledError,
)
from kaizen_batch.prices import Usage
from kaizen_batch.providers.base import Completion

_EXHAUSTED_CODES = ("insufficient_quota", "credit_balance_exhausted")
_EXHAUSTED_ENDINGS = ("_spend_limit_exceeded", "_usage_limit_exceeded")
_MENDS = {
    AuthenticationError: "check the key (OPENAI_API_KEY or api_key) and what it may do",
    ModelNotFoundError: "check model and base_url",
    QuotaExhaustedError: "top up or raise the account's limit",
}

_MOST_TOKENS = 10**12  # of one call; more is nonsense, and would not fit the journal in the end
_LONGEST_MESSAGE, _LONGEST_PAGE = 2_000, 200  # characters of an error; it stands in every failed row
_TOLD_BY = ("x-ratelimit-", "retry-after", "x-should-retry")

_Tokens = Annotated[int, Meta(ge=0, le=_MOST_TOKENS)]


class _PromptDetails(Struct, gc=False):
    cached_tokens: _Tokens | None = None


class _ChatUsage(Struct, gc=False):
    prompt_tokens: _Tokens
    completion_tokens: _Tokens
    prompt_tokens_details: _PromptDetails | None = None


class _ChatMessage(Struct, gc=False):
    content: str | None = None
    refusal: str | None = None


class _Choice(Struct, gc=False):
    message: _ChatMessage
    finish_reason: str | None = None


class _Chat(Struct, gc=False):
    """An answer as it should be, and of it what is needed: read in a fraction of the time that a dict takes."""

    choices: list[_Choice]
    usage: _ChatUsage | None = None
    model: str | None = None


_as_expected = Decoder(_Chat).decode


class HttpResponse(Struct, frozen=True, gc=False):
    """An HTTP answer, whatever its status; `headers` are those that `rate_limit_headers` keeps."""

    status: int
    headers: dict[str, str]
    body: bytes


def rate_limit_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The headers that tell something of limits, waits and retries, in lower case; the first of each name."""
    told: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        if is_rate_limit_header(lower):
            told.setdefault(lower, value)
    return told


def is_rate_limit_header(name: str) -> bool:
    """Whether a header, its name in lower case, is one of those."""
    return name.startswith(_TOLD_BY)


def json_of(body: bytes) -> Any:
    """What an answer's body says. Raises: ValueError for what is no JSON."""
    try:
        return orjson.loads(body)
    except ValueError:
        # The standard library takes what some servers send: a byte-order mark, NaN, half of a surrogate pair.
        return json.loads(body)


def completion_from_answer(answer: HttpResponse) -> Completion:
    """The completion in an answer of 2xx.

    Raises: ServerError when the body is no chat completion; the call may have been billed all the same.
    """
    try:
        chat = _as_expected(answer.body)
        choice, usage = chat.choices[0], chat.usage
    except (ValueError, IndexError, RecursionError):
        return _completion_anyhow(answer)
    message = choice.message
    return Completion(
        message.content,
        _usage_as_expected(usage) if usage is not None else None,
        choice.finish_reason,
        message.refusal or None,
        chat.model,
        None,
        answer.headers,
    )


def _completion_anyhow(answer: HttpResponse) -> Completion:
    """The completion in an answer that is not as the standard has it, as far as there is one."""
    try:
        body = json_of(answer.body)
    except (ValueError, RecursionError):
        raise bad_answer(answer.body.decode("utf-8", "replace")) from None
    return completion_from_body(body, answer.headers)


def error_body(body: bytes) -> Any:
    """The body of an answer other than 2xx: JSON, or the text where it is none."""
    try:
        return json_of(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace").strip()


def error_from_response(status: int, body: Any, headers: Mapping[str, str], *, secret: str = "") -> ProviderError:
    """The error that an HTTP answer other than 2xx stands for.

    `body` is the parsed JSON, or the text where it is none; `headers` in lower case. `x-should-retry` decides
    over the status, except that a fatal error stays fatal. An endpoint may quote the key that it refuses: `secret`
    is shown nowhere.
    """
    code, message = _code_and_message(body, secret)
    kind = _kind(status, code)
    code = _shown(code, secret) or None
    text = f"HTTP {status}: {message}" if message else f"HTTP {status}"
    if kind in _MENDS:
        text = f"{text} ({_MENDS[kind]})"
    wanted = headers.get("x-should-retry")
    retryable = {"true": True, "false": False}.get(wanted or "") if not kind.fatal else None
    after = retry_after_s(headers)
    return kind(text, code=code, status=status, retry_after_s=after, retryable=retryable, headers=headers)


def _kind(status: int, code: str | None) -> type[ProviderError]:
    if status == 429:
        return QuotaExhaustedError if _is_exhausted(code) else ThrottledError
    if status in (401, 403):
        return AuthenticationError
    if status == 404:
        return ModelNotFoundError
    if status in (408, 409):
        return ServerError
    if status < 500:
        return BadRequestError
    return OverloadedError if code == "server_is_overloaded" else ServerError


def _is_exhausted(code: str | None) -> bool:
    return code is not None and (code in _EXHAUSTED_CODES or code.endswith(_EXHAUSTED_ENDINGS))


def _code_and_message(body: Any, secret: str) -> tuple[str | None, str]:
    error = body.get("error", body) if isinstance(body, dict) else body
    if isinstance(error, dict):
        # Some compatible servers put the cause into `type` and leave `code` empty, or the status into `code`.
        named = (error.get("code"), error.get("type"))
        code = next((name for name in named if isinstance(name, str) and name), None)
        return code, _shown(error.get("message"), secret)
    return None, _shown(error, secret)[:_LONGEST_PAGE]


def _shown(said: Any, secret: str) -> str:
    text = str(said or "")
    return (text.replace(secret, "***") if secret else text)[:_LONGEST_MESSAGE]


def refused_parameter(body: Any) -> str | None:
    """The parameter that a 400 refuses by name (`unsupported_parameter`, `unsupported_value`), or None."""
    error = body.get("error", body) if isinstance(body, dict) else None
    if isinstance(error, dict) and error.get("code") in ("unsupported_parameter", "unsupported_value"):
        return str(error.get("param") or "") or None
    return None


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that the endpoint asks to wait, from `retry-after-ms`, then `retry-after`; None if it doesn't say."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) * unit
        except (KeyError, ValueError):
            continue
        if 0 < seconds < math.inf:  # False for a NaN too
            return seconds
    if "retry-after" not in headers:
        return None
    from email.utils import parsedate_to_datetime  # a date is rare

    try:
        moment = parsedate_to_datetime(headers["retry-after"])
    except (ValueError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds()) or None


def completion_from_body(body: Any, headers: Mapping[str, str]) -> Completion:
    """The completion in a 2xx answer of `/chat/completions`.

    Raises: ServerError when the body is no chat completion; the call may have been billed all the same.
    """
    try:
        choice = body["choices"][0]
        message = choice["message"]
        text, refusal = message.get("content"), message.get("refusal") or None
    except (KeyError, IndexError, TypeError, AttributeError):
        raise bad_answer(body) from None
    if not isinstance(text, str | None) or not isinstance(refusal, str | None):
        raise bad_answer(body)
    return Completion(
        text=text,
        usage=_usage(body.get("usage")),
        finish_reason=_name(choice.get("finish_reason")),
        refusal=refusal,
        model=_name(body.get("model")),
        headers=dict(headers),
    )


def bad_answer(body: Any) -> ServerError:
    """The error for an answer that says 200 and is no chat completion."""
    what = f"JSON with {sorted(body)[:8]}" if isinstance(body, dict) else f"a {type(body).__name__}"
    error = ServerError(f"the endpoint's answer is no chat completion ({what})", code="bad_response", status=200)
    error.may_be_billed = True
    return error


def _usage_as_expected(usage: _ChatUsage) -> Usage:
    details, asked = usage.prompt_tokens_details, usage.prompt_tokens
    cached = details.cached_tokens if details is not None else None
    return Usage(asked, usage.completion_tokens, min(cached, asked) if cached else 0)


def _usage(usage: Any) -> Usage | None:
    if not isinstance(usage, dict):
        return None
    asked, answered = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    if asked is None or answered is None:
        return None  # half a count is none: taken for nothing, it would make the call look free
    details = usage.get("prompt_tokens_details")
    cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else 0
    return Usage(asked, answered, min(cached or 0, asked))


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and 0 <= value <= _MOST_TOKENS else None


def _name(value: Any) -> str | None:
    return value if isinstance(value, str) else None
