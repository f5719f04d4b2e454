"""What the endpoint says of its own limits in the `x-ratelimit-*` headers of an answer, and the credit it leaves."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

ROUNDING_S = 1e-5
"""A moment this near has come: sums of floats, and virtual clocks, do not hit a moment exactly."""

_LONGEST_RESET_S = 86_400.0  # the longest window there is; more is a date (seconds since 1970), or nonsense
_LONGEST_TEXT = 40
_CUSHION = 50  # measured: 2% of the limit turn 6% of refusals on a shared key into 1.5%, for 2% of the rate at most
_UNITS_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "\u03bcs": 1e-6, "ns": 1e-9}
_NUMBER = r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_PART = re.compile(_NUMBER + r"(ms|us|µs|\u03bcs|ns|h|m|s)")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")
_SECONDS = re.compile(_NUMBER)
_TELLING = tuple(f"x-ratelimit-{what}-{kind}" for what in ("remaining", "limit") for kind in ("requests", "tokens"))


@dataclass(frozen=True, slots=True)
class HeaderWindow:
    """One window as the endpoint sees it: its size, what is left, and the seconds until it is full. None: unknown."""

    limit: int | None = None
    remaining: int | None = None
    reset_s: float | None = None


_UNKNOWN = HeaderWindow()


@dataclass(frozen=True, slots=True)
class RateLimitHeaders:
    """What one answer said about the endpoint's limits."""

    requests: HeaderWindow = _UNKNOWN
    tokens: HeaderWindow = _UNKNOWN


def read_rate_limit_headers(headers: Mapping[str, str]) -> RateLimitHeaders | None:
    """The rate-limit headers of an answer, or None if they say nothing. Never raises, whatever they hold.

    `headers` ignores case (as those of HTTP clients do) or has its names in lower case.

        announcement({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1.5s"})
    """
    for name in _TELLING:
        if name in headers:
            break
    else:
        return None
    requests, tokens = _window(headers, "requests"), _window(headers, "tokens")
    return None if requests is _UNKNOWN and tokens is _UNKNOWN else RateLimitHeaders(requests, tokens)


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


def _window(headers: Mapping[str, str], kind: str) -> HeaderWindow:
    limit = _count(headers.get(f"x-ratelimit-limit-{kind}", ""))
    remaining = _count(headers.get(f"x-ratelimit-remaining-{kind}", ""))
    if limit == 0 or (limit is None and remaining is None):
        return _UNKNOWN  # a window of size 0 is how some proxies say that they do not know
    return HeaderWindow(limit, remaining, duration_s(headers.get(f"x-ratelimit-reset-{kind}", "")))


def _count(text: str) -> int | None:
    # str.isdigit alone takes digits of every script, and int() alone takes "-1" and "1_000"
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else None


class Credit:
    """How much may be sent on the strength of one announcement, until it is outdated.

    A token bucket as the endpoint keeps it: it regrows by (limit - remaining) / reset_s a second and is full when
    reset_s is over. From then on nothing is known but the limit, which calls in flight must not exceed together.
    """

    __slots__ = ("_at", "_full_at", "_left", "_rate", "limit")

    def __init__(self, said: HeaderWindow, in_flight: int, now: float, window_s: float) -> None:
        self.limit: int | None = said.limit
        self._at = self._full_at = now
        self._rate = 0.0
        self._left = math.inf
        if said.remaining is None:
            return
        limit, remaining = said.limit, said.remaining
        used = max(0, limit - remaining) if limit else 0  # more left than there can be: full
        reset_s = said.reset_s
        if reset_s is None:
            reset_s = window_s * used / limit if limit else 0.0
        # The endpoint may not have counted our calls in flight yet: they may be anywhere on their way.
        # And another client of the same key may take what is left before our next call comes: 2% are left for that.
        self._left = (limit - used - limit // _CUSHION if limit else remaining) - in_flight
        self._full_at = now + reset_s
        self._rate = used / reset_s if reset_s else 0.0

    @property
    def known(self) -> bool:
        """Whether the announcement said anything of this window."""
        return self.limit is not None or self._left < math.inf

    def delay(self, cost: int, in_flight: int, now: float) -> float:
        """Seconds until the credit covers a call: 0.0 if it does, inf if calls in flight must end first."""
        if self.limit is not None and in_flight + cost > self.limit:
            return math.inf
        lacking = cost - self._left
        if lacking <= 0:
            return 0.0
        ready_at = min(self._full_at, self._at + lacking / self._rate) if self._rate else self._full_at
        return ready_at - now if ready_at > now + ROUNDING_S else 0.0

    def spend(self, cost: int) -> None:
        """Book what was sent, or what a call took beyond its reservation."""
        self._left -= cost
