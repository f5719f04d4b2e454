"""The rate limits of a server, as an endpoint enforces them. Written apart from the client's: each checks the other."""

import math
from collections import deque
from typing import Protocol


class ServerWindow(Protocol):
    """One limit. `now` is the server's clock, in seconds."""

    def wait_s(self, cost: float, now: float) -> float:
        """Seconds until this much fits; 0.0 if it does now."""

    def take(self, cost: float, now: float) -> None:
        """Count a call that was let in."""

    def left(self, now: float) -> tuple[int, int, float]:
        """The limit, what is left of it, and the seconds until all of it is."""


class Sliding:
    """At most `limit` in any `period_s` seconds."""

    def __init__(self, limit: float, period_s: float) -> None:
        self.limit, self.period_s = limit, period_s
        self._calls: deque[tuple[float, float]] = deque()
        self._used = 0.0

    def wait_s(self, cost: float, now: float) -> float:
        self._forget(now)
        excess = self._used + cost - self.limit
        for at, freed in self._calls:
            if excess <= 0:
                break
            excess -= freed
            if excess <= 0:
                return at + self.period_s - now
        return 0.0 if excess <= 0 else math.inf

    def take(self, cost: float, now: float) -> None:
        self._calls.append((now, cost))
        self._used += cost

    def left(self, now: float) -> tuple[int, int, float]:
        self._forget(now)
        reset_s = self._calls[-1][0] + self.period_s - now if self._calls else 0.0
        return int(self.limit), max(0, int(self.limit - self._used)), reset_s

    def _forget(self, now: float) -> None:
        while self._calls and now >= self._calls[0][0] + self.period_s:
            self._used -= self._calls.popleft()[1]


class Fixed:
    """At most `limit` in each `period_s` seconds of the clock."""

    def __init__(self, limit: float, period_s: float) -> None:
        self.limit, self.period_s = limit, period_s
        self._number, self._used = -1, 0.0

    def wait_s(self, cost: float, now: float) -> float:
        self._turn(now)
        return 0.0 if self._used + cost <= self.limit else (self._number + 1) * self.period_s - now

    def take(self, cost: float, now: float) -> None:
        self._turn(now)
        self._used += cost

    def left(self, now: float) -> tuple[int, int, float]:
        self._turn(now)
        return int(self.limit), max(0, int(self.limit - self._used)), (self._number + 1) * self.period_s - now

    def _turn(self, now: float) -> None:
        if (number := int(now // self.period_s)) != self._number:
            self._number, self._used = number, 0.0


class Bucket:
    """A token bucket: `limit` at once, refilled at `limit` in `period_s` seconds."""

    def __init__(self, limit: float, period_s: float) -> None:
        self.limit, self.period_s = limit, period_s
        self._level, self._at = limit, 0.0

    def wait_s(self, cost: float, now: float) -> float:
        self._refill(now)
        return 0.0 if self._level >= cost - 1e-9 else (cost - self._level) * self.period_s / self.limit

    def take(self, cost: float, now: float) -> None:
        self._refill(now)
        self._level -= cost

    def left(self, now: float) -> tuple[int, int, float]:
        self._refill(now)
        return int(self.limit), int(self._level), (self.limit - self._level) * self.period_s / self.limit

    def _refill(self, now: float) -> None:
        self._level = min(self.limit, self._level + (now - self._at) * self.limit / self.period_s)
        self._at = now
