"""Rate limits: strict sliding windows, and the headers that announce them."""

import math
from collections import deque

from kaizen_batch.simulator.settings import Settings


class SlidingWindow:
    """At most `limit` in any half-open window of `window_s` seconds.

    `taken` is the constant share that another client uses: it is never free.
    """

    def __init__(self, limit: float, window_s: float, taken: float = 0.0) -> None:
        self._limit = limit - taken
        self._window_s = window_s
        self._shared = taken > 0
        self._calls: deque[tuple[float, int]] = deque()
        self._used = 0

    def wait_s(self, cost: int, now: float) -> float:
        """Seconds until a call of this cost fits: 0.0 if it fits now, infinity if it never will."""
        self._forget(now)
        excess = self._used + cost - self._limit
        if excess <= 0:
            return 0.0
        for at, freed in self._calls:
            excess -= freed
            if excess <= 0:
                return at + self._window_s - now
        return math.inf

    def take(self, cost: int, now: float) -> None:
        """Charge a call to the window."""
        self._calls.append((now, cost))
        self._used += cost

    def remaining(self, now: float) -> int:
        """The capacity left now."""
        self._forget(now)
        return max(0, math.floor(self._limit - self._used))

    def reset_s(self, now: float) -> float:
        """Seconds until the window is as free as it can be."""
        self._forget(now)
        if self._shared:
            return self._window_s
        return self._calls[-1][0] + self._window_s - now if self._calls else 0.0

    def _forget(self, now: float) -> None:
        calls = self._calls
        # Compares sums, not differences, so that a call leaves the window at the rounded time that `wait_s` promised.
        while calls and now >= calls[0][0] + self._window_s:
            self._used -= calls.popleft()[1]


class RateLimits:
    """The window of requests and that of tokens: a call is admitted by both or charged to neither."""

    def __init__(self, settings: Settings) -> None:
        requests = settings.per_window(settings.requests_per_minute)
        tokens = settings.per_window(settings.tokens_per_minute)
        elsewhere = settings.used_elsewhere_rpm * settings.window_s / 60
        self._requests = None if requests is None else SlidingWindow(requests, settings.window_s, elsewhere)
        self._tokens = None if tokens is None else SlidingWindow(tokens, settings.window_s)
        windows = {"requests": self._requests, "tokens": self._tokens}
        limits = {"requests": settings.requests_per_minute, "tokens": settings.tokens_per_minute}
        self.given: bool = requests is not None or tokens is not None
        self._named = [(name, math.floor(limits[name] or 0), window) for name, window in windows.items() if window]

    def admit(self, tokens: int, now: float) -> tuple[float, str]:
        """Admit a call, `(0.0, "")`, or return the seconds it has to wait and the window it waits for."""
        waits = [(window.wait_s(_cost(name, tokens), now), name) for name, _, window in self._named]
        worst = max(waits, default=(0.0, ""))
        if worst[0] > 0:
            return worst
        for name, _, window in self._named:
            window.take(_cost(name, tokens), now)
        return 0.0, ""

    def headers(self, now: float) -> dict[str, str]:
        """OpenAI's headers: the limits are per minute, the other values are those of the windows."""
        headers = {}
        for name, limit, window in self._named:
            headers[f"x-ratelimit-limit-{name}"] = str(limit)
            headers[f"x-ratelimit-remaining-{name}"] = str(window.remaining(now))
            headers[f"x-ratelimit-reset-{name}"] = go_duration(window.reset_s(now))
        return headers


def _cost(name: str, tokens: int) -> int:
    return 1 if name == "requests" else tokens


def milliseconds(seconds: float) -> int:
    """Rounded up, so that a client that waits this long has waited long enough."""
    return max(0, math.ceil(seconds * 1000 - 1e-6))


def go_duration(seconds: float) -> str:
    """A duration as Go prints it, to the millisecond: `0s`, `12ms`, `1.5s`, `6m0s`."""
    whole = milliseconds(seconds)
    if 0 < whole < 1000:
        return f"{whole}ms"
    minutes, rest = divmod(whole, 60_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{rest / 1000:g}s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text
