"""What the endpoint says about its own limits in the headers of an answer, in the dialects that servers speak.

| family | headers |
|---|---|
| OpenAI, Azure, Groq, vLLM gateways | `x-ratelimit-{limit,remaining,reset}-{requests,tokens}` |
| Mistral, Cerebras | `x-ratelimit-{limit,remaining}-{req,requests,tokens}-{second,minute,hour,day}` |
| Anthropic | `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}` |
| IETF | `ratelimit-policy` and `ratelimit` (draft-ietf-httpapi-ratelimit-headers, 06 to 10), `ratelimit-{limit,...}` |
| plain | `x-ratelimit-{limit,remaining,reset}` |

A reset is a Go duration, seconds, a date of RFC 3339, or a Unix time in seconds or milliseconds. Groq's requests are
per day and its tokens per minute: the time to a full refill tells which.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

Quantity = Literal["requests", "tokens"]
_Fields = dict[str, str]
_Key = tuple[str, Quantity, str]  # family, quantity, period or kind

MINUTE_S = 60.0
DAY_S = 86_400.0
_PERIODS_S = {"second": 1.0, "minute": MINUTE_S, "hour": 3600.0, "day": DAY_S, "month": 30 * DAY_S}

_LONGEST_RESET_S = DAY_S  # the longest window there is; more is a date (seconds since 1970), or nonsense
_LONGEST_TEXT = 40
_LONGEST_HEADER = 300
_UNITS_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "\u03bcs": 1e-6, "ns": 1e-9}
_NUMBER = r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_PART = re.compile(_NUMBER + r"(ms|us|µs|\u03bcs|ns|h|m|s)")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")
_SECONDS = re.compile(_NUMBER)

_NAME = re.compile(
    r"(?:x-ratelimit-(?P<field>limit|remaining|reset)-(?P<what>req|requests|tokens)(?:-(?P<per>second|minute|hour|day))?"
    r"|anthropic-ratelimit-(?P<what2>requests|tokens|input-tokens|output-tokens)-(?P<field2>limit|remaining|reset)"
    r"|(?P<plain>x-ratelimit|x-rate-limit|ratelimit)-(?P<field3>limit|remaining|reset))"
)
_POLICY = re.compile(r'(?:^|,)\s*(?:"[^"]*"\s*;)?\s*(?:q=)?(\d{1,15})\s*;\s*(?:q=\d+;\s*)?w=(\d{1,9})')
_STATE = re.compile(r"\b(r|remaining|t|reset|limit)=(\d{1,15})")


@dataclass(frozen=True, slots=True)
class HeaderWindow:
    """One window as the endpoint sees it: its size, what is left, and the seconds until it is full. None: unknown."""

    limit: int | None = None
    remaining: int | None = None
    reset_s: float | None = None
    period_s: float = MINUTE_S


_UNKNOWN = HeaderWindow()


@dataclass(frozen=True, slots=True)
class RateLimitHeaders:
    """What one answer said about the endpoint's limits: of requests, of tokens, and further windows of either."""

    requests: HeaderWindow = _UNKNOWN
    tokens: HeaderWindow = _UNKNOWN
    more: tuple[tuple[Quantity, HeaderWindow], ...] = ()
    family: str = field(default="OpenAI", compare=False)

    @property
    def windows(self) -> tuple[tuple[Quantity, HeaderWindow], ...]:
        """Every window that was announced."""
        first: tuple[tuple[Quantity, HeaderWindow], ...] = ("requests", self.requests), ("tokens", self.tokens)
        return (*(pair for pair in first if pair[1] is not _UNKNOWN), *self.more)


def is_rate_limit_header(name: str) -> bool:
    """Whether a header, its name in lower case, is one that `read_rate_limit_headers` reads."""
    return "ratelimit" in name or name.startswith("x-rate-limit")


def read_rate_limit_headers(headers: Mapping[str, str]) -> RateLimitHeaders | None:
    """The rate limit headers of an answer, or None if they say nothing. Never raises, whatever they hold.

    >>> read_rate_limit_headers({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1.5s"}).requests
    HeaderWindow(limit=None, remaining=0, reset_s=1.5, period_s=60.0)
    """
    grouped: dict[_Key, _Fields] = {}
    for given, value in headers.items():
        name = given.lower()
        if is_rate_limit_header(name) and len(value) <= _LONGEST_HEADER:
            _sort_in(name, value, grouped)
    found = [(key, window) for key, fields in grouped.items() if (window := _window(key[2], fields)) is not None]
    if not found:
        return None
    return _of_windows(found[0][0][0], [(quantity, window) for (_, quantity, _), window in found])


def _of_windows(family: str, windows: list[tuple[Quantity, HeaderWindow]]) -> RateLimitHeaders:
    """The first window of each quantity, and the others."""
    first: dict[Quantity, HeaderWindow] = {}
    more: list[tuple[Quantity, HeaderWindow]] = []
    for quantity, window in windows:
        if first.setdefault(quantity, window) is not window:
            more.append((quantity, window))
    requests, tokens = first.get("requests", _UNKNOWN), first.get("tokens", _UNKNOWN)
    daily = requests.period_s == DAY_S and family == "OpenAI"
    return RateLimitHeaders(requests, tokens, tuple(more), "Groq" if daily else family)


def _sort_in(name: str, value: str, grouped: dict[_Key, _Fields]) -> None:
    """Put one header where its window is."""
    if name in ("ratelimit", "ratelimit-policy"):
        fields = grouped.setdefault(("IETF", "requests", ""), {})
        if name == "ratelimit":
            fields.update((_IETF.get(key, key), number) for key, number in _STATE.findall(value))
        elif policy := _POLICY.search(value):
            fields["limit"], fields["period"] = policy.groups()
    elif place := _place(name):
        key, what = place
        grouped.setdefault(key, {}).setdefault(what, value)


@lru_cache(maxsize=256)
def _place(name: str) -> tuple[_Key, str] | None:
    """The window and the field that a header is about; None for one that says nothing of use."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    if match["plain"]:
        return ("IETF" if match["plain"] == "ratelimit" else "plain", "requests", ""), match["field3"]
    what = match["what"] or match["what2"]
    quantity: Quantity = "requests" if what.startswith("req") else "tokens"
    if match["what2"]:
        return ("Anthropic", quantity, what), match["field2"]
    per = match["per"] or ""
    return ("Mistral" if per else "OpenAI", quantity, per), match["field"]


_IETF = {"r": "remaining", "t": "reset"}


def _window(per: str, fields: _Fields) -> HeaderWindow | None:
    limit, remaining = _count(fields.get("limit", "")), _count(fields.get("remaining", ""))
    if limit == 0 or (limit is None and remaining is None):
        return None  # a window of size 0 is how some proxies say that they do not know
    period_s = float(fields["period"]) if float(fields.get("period", 0)) > 0 else _PERIODS_S.get(per, MINUTE_S)
    window = HeaderWindow(limit, remaining, _reset_s(fields.get("reset", "")), period_s)
    return replace(window, period_s=DAY_S) if not per and _is_daily(window) else window


def _is_daily(window: HeaderWindow) -> bool:
    """Whether so little used takes so long to refill that the window must be a day."""
    limit, remaining, reset_s = window.limit, window.remaining, window.reset_s
    if limit is None or remaining is None or not reset_s or remaining >= limit:
        return False
    return reset_s * limit / (limit - remaining) > DAY_S / 2


def _reset_s(text: str) -> float | None:
    seconds = duration_s(text)
    if seconds is not None:
        return seconds
    moment = _moment(text.strip())
    if moment is None:
        return None
    left_s = moment - datetime.now(UTC).timestamp()
    return max(0.0, left_s) if left_s <= _LONGEST_RESET_S else None


def _moment(text: str) -> float | None:
    """The Unix time of a date; None if the text is none."""
    if len(text) > _LONGEST_TEXT or not text.isascii():
        return None
    if text.isdigit():
        number = float(text)
        return number / 1000 if number > 1e11 else number
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (OverflowError, OSError, ValueError):
        return None


def duration_s(text: str) -> float | None:
    """Seconds of a Go duration (`"1h2m3.5s"`, `"12ms"`) or of a plain number of seconds; None if it is neither."""
    text = text.strip()
    if len(text) > _LONGEST_TEXT:
        return None
    if _SECONDS.fullmatch(text):
        seconds = float(text)
    elif _DURATION.fullmatch(text):
        seconds = sum(float(number) * _UNITS_S[unit] for number, unit in _PART.findall(text))
    else:
        return None
    return seconds if seconds <= _LONGEST_RESET_S else None


def _count(text: str) -> int | None:
    # str.isdigit alone takes digits of every script, and int() alone takes "-1" and "1_000"
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else None
