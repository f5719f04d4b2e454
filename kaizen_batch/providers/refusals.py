"""Which field of its body a 400 or 422 refuses. Pure functions.

Servers say it in many ways: with a `code` and a `param` (OpenAI), with a `param` alone (Azure), with a `loc` (FastAPI),
or only in words (LiteLLM, Groq, Gemini, Kimi). Words count only where they say it of a field that was sent, next to its
name: an error may quote the prompt.
"""

import re
from collections.abc import Collection, Iterator
from functools import lru_cache

from kaizen_batch.providers.server_messages import read_server_message

_CODES = frozenset(("unsupported_parameter", "unsupported_value", "unknown_parameter", "unsupportedparamserror"))
_QUOTE = r"['\"`*]?"
_THING = r"(?:request |body |query )?(?:parameter|argument|field|key|name|property|value|param|input|option)s?"
_NO = r"(?:not|no longer|n't|n\u2019t|cannot|unable to)"
_TAKEN = (
    r"(?:support(?:s|ed)?|accept(?:s|ed)?|allow(?:s|ed)?|permit(?:s|ted)?|recogni[sz]ed|available|valid|compatible)"
)
_WRONG = r"(?:unsupported|unknown|unrecogni[sz]ed|unexpected|unavailable|invalid|extraneous|extra|illegal)"


def refused_field(body: object, names: Collection[str]) -> str | None:
    """The one of these fields that an error body refuses, or None.

    >>> refused_field({"error": {"message": "property 'logprobs' is unsupported"}}, ("seed", "logprobs"))
    'logprobs'
    """
    text = read_server_message(body).text
    error = _error_of(body)
    param = error.get("param")
    named = param.partition(".")[0] if isinstance(param, str) else ""
    if named in names and (_has_code(error) or says_no(text, named)):
        return named
    if not named and (found := next(_in_places(body, names), None)) is not None:
        return found
    # The longest name first: `max_tokens` is a part of no other, but a server's words may hold two names.
    return next((name for name in sorted(names, key=len, reverse=True) if says_no(text, name)), None)


_SCHEMA = re.compile(
    r"response[ _]?format|json[ _]?schema|response[ _]?schema|structured[ _]outputs?|output[ _](?:config|schema|format)"
    r"|guided[ _]|grammar",
    re.IGNORECASE,
)
_WRONG_SCHEMA = re.compile(
    r"invalid (?:json )?schema|strict|permitted|additionalproperties|required|keyword|\$ref|too (?:deep|many|complex)",
    re.IGNORECASE,
)


def refuses_schema(body: object) -> bool:
    """Whether an error body refuses the schema of the answer, or the way in which it was sent."""
    param = str(_error_of(body).get("param") or "")
    return _SCHEMA.search(f"{param} {read_server_message(body).text[:1000]}") is not None


def says_schema_is_wrong(body: object) -> bool:
    """Whether a refusal is about the schema itself, so that it may be taken in another mode."""
    return _WRONG_SCHEMA.search(read_server_message(body).text[:1000]) is not None


def says_no(text: str, name: str) -> bool:
    """Whether a text says of a field that it is not taken."""
    return _pattern(name).search(text[:1000]) is not None


def _error_of(body: object) -> dict[str, object]:
    if isinstance(body, list) and len(body) == 1:
        body = body[0]
    error = body.get("error", body) if isinstance(body, dict) else None
    return error if isinstance(error, dict) else {}


def _has_code(error: dict[str, object]) -> bool:
    return str(error.get("code")).lower() in _CODES or str(error.get("type")).lower() in _CODES


def _in_places(body: object, names: Collection[str]) -> Iterator[str]:
    """FastAPI's `{"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"]}]}`."""
    detail = body.get("detail") if isinstance(body, dict) else None
    for each in detail if isinstance(detail, list) else ():
        place = each.get("loc") if isinstance(each, dict) else None
        if isinstance(place, list) and "extra" in str(each.get("type")):
            yield from (name for name in names if name in place[:2])


@lru_cache(maxsize=256)
def _pattern(name: str) -> re.Pattern[str]:
    quoted = rf"{_QUOTE}\b{re.escape(name)}\b{_QUOTE}"
    value = r"(?:\s*[=:]\s*[\w.\-]+|\s+of type \S+|\s+value)?"
    forms = (
        # Unsupported parameter: 'x'; Unknown name "x"; Extra inputs ...
        rf"\b{_WRONG} (?:{_THING})(?: supplied| passed| provided| given)?\W{{0,4}}{quoted}",
        # x is not supported; 'x' of type 'json_schema' is not supported; x: Extra inputs are not permitted
        rf"{quoted}{value}\W{{0,3}}(?:this |the |response_format )?(?:{_THING} |type )?"
        rf"(?:is|are|was|does|do|can|has been)?\s*"
        rf"(?:{_NO} {_TAKEN}|{_NO} be (?:used|set)|unsupported|unavailable|deprecated)",
        rf"{quoted}\W{{1,3}}extra (?:inputs|fields)",
        rf"{quoted}{value} (?:does {_NO}|doesn't|don't) {_TAKEN}",
        rf"extraneous key \[?{quoted}",
        # models don't support x=0.1; does not accept the parameter x
        rf"(?:n't|n\u2019t| not) (?:support|accept|allow|take)(?: the)?(?: {_THING})?\W{{1,3}}{quoted}",
        # Kimi: invalid temperature: only 1 is allowed for this model
        rf"invalid {quoted}\W{{1,3}}only \S+ (?:is|are) (?:allowed|supported|permitted)",
    )
    return re.compile("|".join(f"(?:{form})" for form in forms), re.IGNORECASE)
