"""Leases: limits and a budget that many workers keep together, each with a short-lived part of them.

A worker asks for a few requests and tokens at a time, and uses them within `LEASE_S` of the moment at which it asked; a
grant that takes longer to arrive is void. Whoever grants cannot know when a granted call is sent, only that it is sent
within `LEASE_S`; so a grant counts for the window and that time more. A second is 1.7% of a minute.

Money is leased as a cap on what a shard has spent, may have spent and has reserved, by its journal. A worker that needs
more first gives back what it does not use. Caps never add up to more than the budget, and they are written down before
they are given: if the book is lost and opened again, no reservation is lost. A killed shard keeps its cap until it runs
again and says what its journal has.

Source: C. G. Gray, D. R. Cheriton, "Leases: an efficient fault-tolerant mechanism", SOSP 1989.
"""

import json
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from kaizen_batch.limits import RateLimit

LEASE_S = 1.0
_SLACK_S = 1.0  # between the moment at which a call is sent and that at which it arrives, at most


class Grant(NamedTuple):
    """Requests and tokens that may be used within LEASE_S of the request for them."""

    requests: int = 0
    tokens: int = 0


class Need(NamedTuple):
    """What a shard needs for its next call, has committed, would take at once; and whether it has no call in flight."""

    usd: float
    committed_usd: float
    chunk_usd: float
    is_idle: bool


class Cap(NamedTuple):
    """What a shard may have spent and reserved, in USD; `is_final` if it will not get more."""

    usd: float
    is_final: bool = False


class LeaseBook:
    """Grants the requests, tokens and dollars of one job. Times are Unix times, for they outlive a process.

    `save` gets the state as text before anything is granted.
    """

    def __init__(
        self,
        limits: Iterable[RateLimit],
        budget_usd: float | None,
        save: Callable[[str], object] = lambda text: None,
        saved: str | None = None,
    ) -> None:
        self._limits = list(limits)
        self._budget = budget_usd
        self._save = save
        self._grants: deque[tuple[float, int, int]] = deque()
        self._caps: dict[str, float] = {}
        self._waiting: set[str] = set()
        self._running: set[str] = set()
        if saved:
            state = json.loads(saved)
            self._grants.extend(tuple(grant) for grant in state["grants"])
            self._caps.update(state["caps"])

    def lease(self, wanted: Grant, least_tokens: int, now: float) -> Grant:
        """As many of the requests and tokens as every window has left; nothing if one call would not fit."""
        while self._grants and now - self._grants[0][0] > self._longest_s:
            self._grants.popleft()
        requests, tokens = wanted
        for limit in self._limits:
            left = limit.limit - self._used(limit, now)
            if limit.quantity == "requests":
                requests = min(requests, left)
            else:
                tokens = min(tokens, left)
        if requests < 1 or tokens < least_tokens:
            return Grant()
        grant = Grant(requests, tokens)
        self._grants.append((now, *grant))
        self._write()
        return grant

    def cap(self, shard: str, need: Need) -> Cap:
        """Raise the cap of a shard, so that it can reserve what it needs.

        It is final when nobody is left whose calls in flight, or whose end, could give something back.
        """
        if self._budget is None:
            return Cap(float("inf"))
        self._running.add(shard)
        self._waiting.discard(shard)
        self._caps[shard] = need.committed_usd  # what it does not use goes back first
        left = self._budget - sum(self._caps.values())
        if left >= need.usd:
            self._caps[shard] += min(left, max(need.usd, need.chunk_usd))
        elif need.is_idle:
            self._waiting.add(shard)
        self._write()
        return Cap(self._caps[shard], is_final=self._running <= self._waiting)

    def begin(self, shard: str, committed_usd: float) -> None:
        """A shard runs, perhaps again; its journal has committed so much."""
        self._running.add(shard)
        self._waiting.discard(shard)
        self._caps[shard] = committed_usd
        self._write()

    def end(self, shard: str, committed_usd: float) -> None:
        """A shard does not run any more."""
        self._running.discard(shard)
        self._waiting.discard(shard)
        self._caps[shard] = committed_usd
        self._write()

    @property
    def committed_usd(self) -> float:
        """The sum of the caps."""
        return sum(self._caps.values())

    @property
    def _longest_s(self) -> float:
        return max((limit.period_s for limit in self._limits), default=0.0) + LEASE_S + _SLACK_S

    def _used(self, limit: RateLimit, now: float) -> int:
        span_s, place = limit.period_s + LEASE_S + _SLACK_S, 1 if limit.quantity == "requests" else 2
        return sum(int(grant[place]) for grant in self._grants if now - grant[0] <= span_s)

    def _write(self) -> None:
        self._save(json.dumps({"grants": list(self._grants), "caps": self._caps}))
