"""From an HTTP error to our own: which kind, whether to retry, and what the server said. Pure functions.

The status decides, with these exceptions, in this order:

1. The account is empty: a name such as `insufficient_quota`, a 402, or a 403 or 429 that says so in words.
2. The key or the model is wrong although the status says otherwise: `API_KEY_INVALID` (400), `model_not_found` (403).
3. A 429 for a request that exceeds the limit by itself can never succeed: it is a bad request.

Every status has a kind: 402 is an empty account; 401, 403 and 407 concern the key; 404 the model; 408, 409, 421, 423,
424, 425 and 499 are retried like 5xx; 498, 529 and an overloaded 503 are retried after a longer wait; any other
status below 500, an unfollowed redirect included, fails the item.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime

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
from kaizen_batch.providers.server_messages import ServerMessage, read_server_message

_EXHAUSTED = frozenset(("insufficient_quota", "exceeded_current_quota_error", "billing_not_active"))
_EXHAUSTED_PREFIXES = ("insufficient_balance", "insufficient_credit", "credit_balance_", "billing_hard_limit")
_EXHAUSTED_ENDINGS = ("_spend_limit_exceeded", "_usage_limit_exceeded")
_EMPTY_ACCOUNT = re.compile(r"(insufficient|not enough|out of|no remaining) (account )?(balance|credits?|funds)", re.I)
_ANTHROPIC_EMPTY = "credit balance is too low to access"  # with a 400
_WRONG_KEY = frozenset(("invalid_api_key", "api_key_invalid", "unauthenticated", "authentication_error"))
_NO_MODEL = frozenset(("model_not_found", "deploymentnotfound"))
_OVERLOADED = frozenset(("server_is_overloaded", "overloaded_error", "engine_overloaded_error", "model_overloaded"))
_TOO_LARGE = re.compile(r"request too large|limit:? (?P<limit>\d+),(?: used:? \d+,)? requested:? (?P<wanted>\d+)", re.I)
_KINDS: dict[int, tuple[type[ProviderError], str]] = {
    401: (AuthenticationError, "invalid_api_key"),
    403: (AuthenticationError, "permission_denied"),
    404: (ModelNotFoundError, "model_not_found"),
    407: (AuthenticationError, "proxy_authentication"),
    429: (ThrottledError, "rate_limit_exceeded"),
    **dict.fromkeys((408, 409, 421, 423, 424, 425, 499), (ServerError, "server_error")),
    **dict.fromkeys((498, 529), (OverloadedError, "server_is_overloaded")),
}
# Names that say nothing; a kind's own code says more.
_VAGUE = frozenset(("error", "api_error", "unknown_error", "invalid_request_error", "tokens", "requests", "object"))

_HINTS: dict[str, str] = {
    "invalid_api_key": "check the key (OPENAI_API_KEY or api_key) and its permissions",
    "proxy_authentication": "set the user name and password in HTTP_PROXY or HTTPS_PROXY",
    "permission_denied": "the key lacks a permission, or this prompt was blocked",
    "model_not_found": "check model and base_url",
    "insufficient_quota": "top up the account or raise its limit",
    "request_too_large": "shorten the prompt or lower max_tokens",
}

# What the status inside of a 200 is, where only a name says it.
_STATUS_OF_NAME = {
    "invalid_argument": 400,
    "invalid_request_error": 400,
    "failed_precondition": 400,
    "unauthenticated": 401,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "permission_denied": 403,
    "permission_error": 403,
    "not_found": 404,
    "not_found_error": 404,
    "model_not_found": 404,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "resource_exhausted": 429,
    "insufficient_quota": 429,
    "overloaded_error": 529,
    "server_is_overloaded": 503,
}


def error_from_response(status: int, body: object, headers: Mapping[str, str], *, secret: str = "") -> ProviderError:
    """The error for an HTTP response other than 2xx.

    `body` is the parsed JSON, or the text where it is none; `headers` have lower-case names. `x-should-retry`
    overrides the status, except for errors that no retry can fix. A server may quote the key that it refuses:
    `secret` is masked.
    """
    said = read_server_message(body, secret)
    kind, default_code = _classify(status, said)
    code = _code(kind, default_code, said)
    text = f"HTTP {status}: {said.text}" if said.text else f"HTTP {status}"
    hint = _HINTS.get(default_code)
    if hint:
        text = f"{text} ({hint})"
    fixed = kind.fatal or default_code == "request_too_large"
    wanted = None if fixed else {"true": True, "false": False}.get(headers.get("x-should-retry", ""))
    after = retry_after_s(headers) or said.retry_after_s
    return kind(text, code=code, status=status, retry_after_s=after, retryable=wanted, headers=headers)


def status_inside(body: object) -> int:
    """The status that a 200 with an error body stands for; 500 if neither a number nor a name says it."""
    said = read_server_message(body)
    if said.status is not None:
        return said.status
    named = (_STATUS_OF_NAME.get(name.lower()) for name in said.names)
    return next((status for status in named if status is not None), 500)


def _classify(status: int, said: ServerMessage) -> tuple[type[ProviderError], str]:
    """The kind of an error, and its code if the server names none."""
    names = frozenset(name.lower() for name in said.names)
    special = _special_case(status, names, said.text) if status < 500 else None
    if special is not None or status in _KINDS:
        return special or _KINDS[status]
    if status == 503 and names & _OVERLOADED:
        return OverloadedError, "server_is_overloaded"
    return (ServerError, "server_error") if status >= 500 else (BadRequestError, "bad_request")


def _special_case(status: int, names: frozenset[str], text: str) -> tuple[type[ProviderError], str] | None:
    """The kind where something else than the status decides."""
    if _is_exhausted(status, names, text):
        return QuotaExhaustedError, "insufficient_quota"
    if status in (400, 403) and names & _WRONG_KEY:
        return AuthenticationError, "invalid_api_key"
    if names & _NO_MODEL:
        return ModelNotFoundError, "model_not_found"
    if status in (413, 429) and _is_too_large(text):
        return BadRequestError, "request_too_large"
    return None


def _is_exhausted(status: int, names: frozenset[str], text: str) -> bool:
    if status == 402 or names & _EXHAUSTED:
        return True
    if any(name.endswith(_EXHAUSTED_ENDINGS) or name.startswith(_EXHAUSTED_PREFIXES) for name in names):
        return True
    # In words only where the status is about the account: a 400 may quote the prompt.
    return (status in (403, 429) and _EMPTY_ACCOUNT.search(text) is not None) or _ANTHROPIC_EMPTY in text


def _is_too_large(text: str) -> bool:
    found = _TOO_LARGE.search(text)
    return found is not None and (found["limit"] is None or int(found["wanted"]) > int(found["limit"]))


def _code(kind: type[ProviderError], default_code: str, said: ServerMessage) -> str:
    """The server's own name for the error, or the default. Never a status, and no name that contradicts the kind."""
    if default_code == "request_too_large":
        return default_code  # the server calls it `rate_limit_exceeded`, which it is not
    named = next((name for name in said.names if name.lower() not in _VAGUE), None)
    if named is None and kind is BadRequestError:
        named = next(iter(said.names), None)
    return named or default_code


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait, from `retry-after-ms`, then `retry-after`; None if it doesn't say."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) * unit
        except (KeyError, ValueError):
            continue
        if 0 < seconds < math.inf:  # False for a NaN too
            return seconds
    if "retry-after" not in headers:
        return None
    from email.utils import parsedate_to_datetime  # rarely needed: most servers send seconds

    try:
        moment = parsedate_to_datetime(headers["retry-after"])
    except (ValueError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds()) or None
