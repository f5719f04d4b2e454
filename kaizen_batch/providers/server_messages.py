"""What a server says about an error, in any of the common shapes, as one readable line and the names in it.

The shapes: OpenAI `{"error": {"message", "type", "code"}}`, also as a list (Gemini) or with the real error as a JSON
string inside (OpenRouter's `metadata.raw`, gateways); xAI `{"code", "error": "text"}`; Azure `{"statusCode",
"message"}`; FastAPI `{"detail": "text"}` or `{"detail": [{"loc", "msg"}]}`; plain text; an HTML page, of which the
title counts. Pure functions. FastAPI also returns the `input`, which holds the prompt: it is never read.
"""

import json
import re
from collections.abc import Iterator
from html import unescape
from typing import NamedTuple

from kaizen_batch.limits.rate_limit_headers import duration_s
from kaizen_batch.providers.redaction import redacted

_MAX_MESSAGE, _MAX_PAGE = 500, 200  # characters; every failed row keeps its message
_MOST_PARTS = 8  # of a list of details: Google's RetryInfo is among the last
_MAX_DEPTH = 6
_NAME = re.compile(r"[A-Za-z][\w.\-]{0,79}")
_TITLE = re.compile(r"<(title|h1)[^>]*>(.*?)</\1", re.IGNORECASE | re.DOTALL)
_HTML = re.compile(r"\s*<(!doctype|html|head|body)\b", re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")
_NAMING = ("code", "type", "error_type", "status", "reason", "Code", "__type")
_SAYING = ("message", "msg", "Message", "error_message", "error_description", "detail", "title")
_STATUS = ("code", "status", "status_code", "statusCode", "http_status")


class ServerMessage(NamedTuple):
    """`names` are the error names in order of relevance, `status` an HTTP status inside the body."""

    text: str
    names: tuple[str, ...] = ()
    status: int | None = None
    retry_after_s: float | None = None


def read_server_message(body: object, secret: str = "") -> ServerMessage:
    """What an error body says; `body` is parsed JSON or text, and no line of `secret` appears in the result."""
    if isinstance(body, str):
        return ServerMessage(one_line(_page_text(body), secret, _MAX_PAGE))
    errors = list(_errors(body))
    names = dict.fromkeys(name for error in errors for name in _names(error) if not _holds(name, secret))
    status = next((status for error in errors if (status := _status(error)) is not None), None)
    retry_s = next((seconds for error in errors if (seconds := _retry_delay_s(error)) is not None), None)
    return ServerMessage(one_line(_text(body), secret, _MAX_MESSAGE), tuple(names), status, retry_s)


def one_line(text: str, secret: str = "", limit: int = _MAX_MESSAGE) -> str:
    """A text in one line of at most `limit` characters, without control characters and without the secret."""
    text = redacted(text, secret)
    text = " ".join("".join(char if char.isprintable() else " " for char in text[: 20 * limit]).split())
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _holds(text: str, secret: str) -> bool:
    return redacted(text, secret) != text


def _page_text(text: str) -> str:
    """A text as it is; of an HTML page, its title."""
    if not _HTML.match(text):
        return text
    found = _TITLE.search(text)
    title = unescape(_TAG.sub(" ", found[2])).strip() if found else ""
    return title or "an HTML page"


def _errors(value: object, depth: int = 0) -> Iterator[dict[str, object]]:
    """The dicts of an error body, the outermost error first; JSON inside of strings is followed."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, list):
        for each in value[:_MOST_PARTS]:
            yield from _errors(each, depth + 1)
    elif isinstance(value, dict):
        inner = _as_json(value.get("error"))
        if isinstance(inner, dict):
            yield from _errors(inner, depth + 1)
        yield value
        for key in ("innererror", "details", "metadata", "raw", "message", "detail"):
            nested = _as_json(value.get(key))
            if isinstance(nested, dict | list):
                yield from _errors(nested, depth + 1)


def _as_json(value: object) -> object:
    """A string that is a JSON object or list, parsed; anything else as it is."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("{", "["):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _names(error: dict[str, object]) -> Iterator[str]:
    for key in _NAMING:
        name = error.get(key)
        if isinstance(name, str) and _NAME.fullmatch(name):
            yield name


def _status(error: dict[str, object]) -> int | None:
    for key in _STATUS:
        given = error.get(key)
        if isinstance(given, str) and given.isascii() and given.isdigit() and len(given) == 3:
            given = int(given)
        if isinstance(given, int) and not isinstance(given, bool) and 300 <= given <= 599:
            return given
    return None


def _retry_delay_s(error: dict[str, object]) -> float | None:
    """Google's RetryInfo: `{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "6s"}`."""
    delay = error.get("retryDelay")
    return duration_s(delay) or None if isinstance(delay, str) else None


def _text(value: object, depth: int = 0) -> str:
    """What a body says in words."""
    value = _as_json(value)
    if isinstance(value, str):
        return _page_text(value)
    if depth > _MAX_DEPTH:
        return ""
    if isinstance(value, list):
        return "; ".join(text for each in value[:3] if (text := _text(each, depth + 1)))
    return _text_of_dict(value, depth) if isinstance(value, dict) else ""


def _text_of_dict(error: dict[str, object], depth: int) -> str:
    said = next((text for key in ("error", *_SAYING) if (text := _text(error.get(key), depth + 1))), "")
    where = error.get("loc")  # FastAPI: the path of the wrong field
    if said and isinstance(where, list):
        said = f"{'.'.join(str(part) for part in where[:8])}: {said}"
    metadata = error.get("metadata")
    if isinstance(metadata, dict):
        said = _with_metadata(said, metadata, depth)
    return said or str(error.get("code") or error.get("type") or "")


def _with_metadata(said: str, metadata: dict[str, object], depth: int) -> str:
    """OpenRouter: what the provider behind it said, its name, and why a moderation flagged the prompt."""
    reasons = metadata.get("reasons")
    flagged = ", ".join(str(reason) for reason in reasons[:5]) if isinstance(reasons, list) else ""
    more = [_text(metadata.get("raw"), depth + 1), flagged]
    said = ": ".join(text for text in (said, *more) if text)
    provider = metadata.get("provider_name")
    return f"{said} ({provider})" if isinstance(provider, str) and said else said
