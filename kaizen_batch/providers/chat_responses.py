"""From an HTTP response of an OpenAI-compatible server to a completion, or to one of our errors. Pure functions.

`read_response` is the one entry. A response as the standard has it takes a fast path: msgspec reads only the fields
that are needed. Anything else takes the tolerant path, which knows how servers deviate:

- an error inside a 200, for the whole response or for its choice, counts as the HTTP status that it names;
- the `finish_reason` decides what a choice is: failed (retried), cut off, filtered (refused), or an answer;
- no choice at all, or one without a message, is how some servers refuse a prompt;
- the content may be a list of parts, of which the texts are the answer and the thoughts the reasoning.

Both paths give the same result for the same JSON (a property test compares them).
"""

import json
import re
from collections.abc import Iterable
from typing import Any

import orjson
from msgspec import Struct
from msgspec.json import Decoder

from kaizen_batch.errors import ProviderError, QuotaExhaustedError, ServerError
from kaizen_batch.providers.base import Completion
from kaizen_batch.providers.error_responses import error_from_response, status_inside
from kaizen_batch.providers.event_streams import read_lenient_json
from kaizen_batch.providers.server_messages import read_server_message
from kaizen_batch.providers.usage import ChatUsage, usage_from_body, usage_from_counts

_LIMIT_HEADERS = ("x-ratelimit", "ratelimit", "anthropic-ratelimit-", "x-rate-limit-", "retry-after", "x-should-retry")

# Words for the same end, in lower case, by the standard's word. Others are passed on.
_WORDS = {
    "length": "length max_tokens max_output_tokens model_length max_length",
    "content_filter": "content_filter content_filtered safety prohibited_content recitation blocklist spii image_safety"
    " sensitive guardrail_intervened refusal",
    "error": "error failed abort aborted cancelled insufficient_system_resource network_error",
}
_STANDARD_WORD = {word: standard for standard, words in _WORDS.items() for word in words.split()}
_AS_EXPECTED = frozenset(("stop", "length"))


class _ChatMessage(Struct, gc=False):
    content: str
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class _Choice(Struct, gc=False):
    message: _ChatMessage
    finish_reason: str
    error: None = None


class _Chat(Struct, gc=False):
    """The fields that are needed of a response as the standard has it; anything else fails to decode."""

    choices: list[_Choice]
    usage: ChatUsage | None = None
    model: str | None = None
    error: None = None


_as_expected = Decoder(_Chat).decode


class HttpResponse(Struct, frozen=True, gc=False):
    """An HTTP response of any status; `headers` are those that `rate_limit_headers` keeps."""

    status: int
    headers: dict[str, str]
    body: bytes


def rate_limit_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The headers about limits, waits and retries, with lower-case names; of each name the first."""
    kept: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        if is_rate_limit_header(lower):
            kept.setdefault(lower, value)
    return kept


def is_rate_limit_header(name: str) -> bool:
    """Whether a header, given in lower case, is one of these."""
    return name.startswith(_LIMIT_HEADERS)


def read_response(response: HttpResponse, secret: str = "") -> Completion:
    """The completion in a response of `/chat/completions`; `secret` appears in no error.

    Raises: the ProviderError that the response stands for.
    """
    if not 200 <= response.status < 300:
        raise error_from_response(response.status, error_body(response.body), response.headers, secret=secret)
    try:
        chat = _as_expected(response.body)
        choice = chat.choices[0]
    except (ValueError, IndexError, RecursionError):
        return _read_tolerantly(response, secret)
    message, reason = choice.message, choice.finish_reason
    if reason not in _AS_EXPECTED or not message.content:
        return _read_tolerantly(response, secret)
    return Completion(
        message.content,
        usage_from_counts(chat.usage, True) if chat.usage is not None else None,
        reason,
        message.refusal or None,
        chat.model,
        None,
        response.headers,
        message.reasoning_content or message.reasoning or None,
    )


def error_body(body: bytes) -> object:
    """The body of an error response: parsed JSON, or the text where it is none."""
    try:
        return json_of(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace").strip()


def json_of(body: bytes) -> Any:
    """The JSON in a body, also in an event stream. Raises: ValueError if there is none."""
    try:
        return orjson.loads(body)
    except ValueError:
        return _lenient_json(body)


def _lenient_json(body: bytes) -> object:
    try:
        # The standard library accepts what some servers send: NaN, half of a surrogate pair, UTF-16.
        return json.loads(body)
    except ValueError:
        return read_lenient_json(body)


def _read_tolerantly(response: HttpResponse, secret: str) -> Completion:
    try:
        body = json_of(response.body)
    except (ValueError, RecursionError):
        raise _not_a_completion(response.body.decode("utf-8", "replace")) from None
    return completion_from_body(body, response.headers, secret)


def completion_from_body(body: object, headers: dict[str, str], secret: str = "") -> Completion:
    """The completion in the parsed JSON of a 2xx response; raises ProviderError like `read_response`."""
    if isinstance(body, list) and len(body) == 1:
        body = body[0]  # Gemini wraps its errors
    if isinstance(body, dict) and body.get("error"):
        raise error_from_response(status_inside(body), body, headers, secret=secret)
    if not isinstance(body, dict) or not isinstance(body.get("choices"), list):
        raise _not_a_completion(body)
    choices = body["choices"]
    if not choices:
        return Completion(
            None, usage_from_body(body, False), "content_filter", None, _str(body.get("model")), None, headers
        )
    choice = choices[0]
    if not isinstance(choice, dict):
        raise _not_a_completion(body)
    return _completion(body, choice, headers, secret)


def _completion(body: dict[str, object], choice: dict[str, object], headers: dict[str, str], secret: str) -> Completion:
    message = _message(choice)
    if message is None:
        raise _not_a_completion(body)
    text, thoughts, refusal = _contents(message)
    usage, error = usage_from_body(body, bool(text)), None
    word = _str(choice.get("finish_reason"))
    reason = _standard(word)
    if choice.get("error") or reason == "error":
        error = _generation_error(choice, headers, secret)
        if usage is None:
            error.may_be_billed = True
            raise error
        error.fatal = error.fatal and isinstance(error, QuotaExhaustedError)  # the key and the model work
    if reason == "content_filter" and word not in ("content_filter", None):
        refusal = refusal or word
    model = _str(body.get("model"))
    return Completion(text, usage, reason, refusal, model, None, headers, thoughts, error)


def _message(choice: dict[str, object]) -> dict[str, object] | None:
    """The message of a choice, an empty one if there is none; None if there is something else."""
    message = choice.get("message") or choice.get("delta")
    if message is None:
        # Without a message: a blocked prompt, or a text completion.
        return {"content": choice["text"]} if isinstance(choice.get("text"), str) else {}
    if not isinstance(message, dict) or not isinstance(message.get("content"), str | list | dict | None):
        return None
    return message


def _contents(message: dict[str, Any]) -> tuple[str | None, str | None, str | None]:
    """Text, reasoning and refusal of a message."""
    content, refusal = message.get("content"), _str(message.get("refusal"))
    thoughts = _str(message.get("reasoning_content")) or _str(message.get("reasoning"))
    if not isinstance(content, list | dict):
        return content, thoughts or None, refusal or None
    texts: dict[str, list[str]] = {"text": [], "reasoning": [], "refusal": []}
    _sort_parts(content, "text", texts)
    text, more, refused = ("".join(texts[kind]) for kind in ("text", "reasoning", "refusal"))
    return text, thoughts or more or None, refusal or refused or None


_PARTS = {
    "text": "text",
    "output_text": "text",
    "thinking": "reasoning",
    "reasoning": "reasoning",
    "refusal": "refusal",
}


def _sort_parts(content: object, kind: str, texts: dict[str, list[str]], depth: int = 0) -> None:
    """Collect the texts of a content that is made of parts, by what they are; `kind` is that of the part around."""
    if isinstance(content, str):
        texts[kind].append(content)
    elif isinstance(content, list) and depth < 4:
        for part in content:
            _sort_parts(part, kind, texts, depth + 1)
    elif isinstance(content, dict):
        key = content.get("type", "text")
        inner = _PARTS.get(key) if isinstance(key, str) else None
        if inner is not None:
            inner = kind if inner == "text" else inner  # a text inside of a thought is a thought
            value = content.get(key, content.get("text"))
            _sort_parts(value, inner, texts, depth + 1)


def _standard(word: str | None) -> str | None:
    """A finish reason in the standard's words, as far as it has one for it."""
    if word is None:
        return None
    lower = word.lower()
    if lower in _STANDARD_WORD:
        return _STANDARD_WORD[lower]
    # Gemini: "content_filter: PROHIBITED_CONTENT", "FinishReason.SAFETY".
    named = (_STANDARD_WORD.get(part) for part in re.split(r"[^a-z_]+", lower))
    return next((standard for standard in named if standard is not None), word)


def _generation_error(choice: dict[str, object], headers: dict[str, str], secret: str) -> ProviderError:
    """The error of a choice whose generation failed."""
    inside = choice.get("error")
    if not inside:
        word = choice.get("finish_reason")
        return ServerError(f"the generation failed (finish_reason {word!r})", code="generation_failed", status=200)
    body = {"error": inside}
    return error_from_response(status_inside(body), body, headers, secret=secret)


def _not_a_completion(body: object) -> ServerError:
    """The error for a 2xx response that is no chat completion; the call may have been billed."""
    if isinstance(body, dict):
        what = f"JSON with the keys {', '.join(sorted(map(repr, body))[:8])}" if body else "an empty JSON object"
    elif isinstance(body, str):
        is_page = body.lstrip()[:1] == "<"
        what = f"an HTML page: {read_server_message(body).text}" if is_page else "text" if body.strip() else "empty"
    else:
        what = f"JSON, a {type(body).__name__}"
    error = ServerError(f"the response is not a chat completion but {what}", code="bad_response", status=200)
    error.may_be_billed = True
    return error


def _str(value: object) -> str | None:
    return value if isinstance(value, str) else None
