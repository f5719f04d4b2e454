"""One window of requests or tokens: what is configured is never exceeded, and what the endpoint announces is followed.

A sliding window of `period_s` seconds may hold at most `configured`. The endpoint counts a call at a moment that we do
not see, between its sending and its answer. So a call keeps its share from `reserve` until `period_s` after `commit`:
no call reserved later can fall into the same window as this one. The rate is then limit / (period_s + the time of a
call). Where the endpoint is known to count a call as it arrives, the share is freed `period_s` after the sending
instead, and the whole limit can be used, unless calls take longer than the window.

What the endpoint announces (`Credit`) steers beside the configured limit: each holds for itself.
"""

import math
from array import array
from bisect import bisect_left, bisect_right

from kaizen_batch.limits.rate_limit_headers import HeaderWindow

ROUNDING_S = 1e-5
"""A moment this near has come: sums of floats, and virtual clocks, do not hit a moment exactly."""

_DRIFT = 1e-3  # the endpoint's clock may run this much slower than ours; quartz is off by 1e-4 at worst
_ARRIVAL = 0.01  # of the period: how much longer one call may be on its way to the endpoint than the next
_COMPACT_AT = 1024
_OTHERS_S = 1.2  # measured: leaving so much of the rate to others on a shared key turns 6% of refusals into 1.5%


class SlidingWindow:
    """One quantity of which no `period_s` seconds of the endpoint's clock may hold more than `configured`.

    `room` is how much fits for certain, inf if nothing limits it; whether more fits, `delay` says.
    """

    __slots__ = (
        "_arrival_s",
        "_configured",
        "_credit",
        "_gone",
        "_head",
        "_hold_s",
        "_leaves_at",
        "_sums",
        "_total",
        "in_flight",
        "period_s",
        "room",
    )

    def __init__(self, configured: int | None, period_s: float) -> None:
        self._configured = configured
        self.period_s: float = period_s
        self._hold_s = period_s * (1 + _DRIFT) + ROUNDING_S
        self._arrival_s = period_s * _ARRIVAL
        self.in_flight: int = 0
        self.room: float = math.inf if configured is None else configured
        # The ended calls, in the order in which they leave. `_sums` runs on and never starts anew, so that the first
        # call whose leaving frees enough is found by bisection; those before `_head` have left.
        self._leaves_at = array("d")
        self._sums = array("q")
        self._head = 0
        self._total = 0  # of all calls that ever ended
        self._gone = 0  # of those that have left
        self._credit: Credit | None = None

    @property
    def active(self) -> bool:
        """Whether anything can hold a call: a configured limit, or something announced."""
        return self._configured is not None or (self._credit is not None and self._credit.known)

    @property
    def announced(self) -> bool:
        """Whether the endpoint says how full the window is."""
        return self._credit is not None and self._credit.known

    @property
    def limit(self) -> int | None:
        """The lower one of the configured and the announced limit."""
        announced = self._credit.limit if self._credit else None
        if announced is None or self._configured is None:
            return self._configured if announced is None else announced
        return min(self._configured, announced)

    def delay(self, cost: int, now: float) -> float:
        """Seconds until `cost` fits: 0.0 if it does now, inf if calls in flight must end first."""
        configured, credit = self._configured, self._credit
        if credit is None:
            return 0.0 if configured is None else self._own_delay(cost, configured, now)
        by_credit = credit.delay(cost, self.in_flight, now)
        if configured is None:
            return by_credit
        # A limit whose rest is not announced can only be kept by counting.
        limit = min(configured, credit.limit) if credit.limit is not None and credit.is_bare else configured
        return max(by_credit, self._own_delay(cost, limit, now))

    def _own_delay(self, cost: int, limit: int, now: float) -> float:
        leaves_at = self._leaves_at
        if self._head < len(leaves_at) and leaves_at[self._head] <= now + ROUNDING_S:
            self._forget(now)
        ended = self._total - self._gone
        excess = self.in_flight + ended + cost - limit
        if excess <= 0:
            return 0.0
        if excess > ended:
            return math.inf
        return leaves_at[bisect_left(self._sums, self._gone + excess, self._head)] - now

    def _forget(self, now: float) -> None:
        leaves_at, head, until = self._leaves_at, self._head, now + ROUNDING_S
        while head < len(leaves_at) and leaves_at[head] <= until:
            head += 1
        gone = self._sums[head - 1]
        if self._credit is None:
            self.room += gone - self._gone
        self._head, self._gone = head, gone
        if head >= _COMPACT_AT and head * 2 >= len(leaves_at):  # half of it at a time: O(1) for each call
            del leaves_at[:head], self._sums[:head]
            self._head = 0

    def reserve(self, cost: int) -> None:
        """Occupy a share."""
        self.in_flight += cost
        self.room -= cost
        if self._credit is not None:
            self._credit.spend(cost)

    def commit(self, reserved: int, used: int, now: float, sent_at: float | None = None) -> None:
        """Give back what was not used at once, and the rest when the window is over.

        `sent_at` is when the call was sent, if the endpoint counts it from then on, else None.
        """
        self.in_flight -= reserved
        if self._configured is not None:
            self.room += reserved - used
            leaves_at, at = self._leaves_at, (now if sent_at is None else sent_at + self._arrival_s) + self._hold_s
            if leaves_at and leaves_at[-1] <= at:  # as in `_leave`, without the cost of a call for each item
                self._total += used
                leaves_at.append(at)
                self._sums.append(self._total)
            else:
                self._leave(used, at)
            if leaves_at[self._head] <= now:
                self._forget(now)
        if self._credit is not None and used > reserved:
            self._credit.spend(used - reserved)

    def seed(self, used: int, at: float) -> None:
        """Count what was sent at that moment, before this program began; in the order of the moments."""
        if self._configured is not None:
            self.room -= used
            self._leave(used, at + self._hold_s)

    def _leave(self, used: int, at: float) -> None:
        """Count something until then, when its window is over."""
        leaves_at, sums = self._leaves_at, self._sums
        self._total += used
        if self._head == len(leaves_at) or leaves_at[-1] <= at:
            leaves_at.append(at)
            sums.append(self._total)
            return
        # Counted from its sending, a call leaves before others that were sent later and ended earlier.
        place = bisect_right(leaves_at, at, self._head)
        leaves_at.insert(place, at)
        sums.insert(place, sums[place - 1] if place else self._gone)
        for later in range(place, len(sums)):
            sums[later] += used

    def observe(self, said: HeaderWindow, counted: int, now: float) -> None:
        """Follow what the endpoint says from now on; `counted` of what is in flight it has certainly counted."""
        self._credit = Credit(said, self.in_flight - counted, now, self._credit)
        self.room = -math.inf  # ask the credit

    def join(self, in_flight: int) -> None:
        """Count from now on."""
        self.reserve(in_flight - self.in_flight)

    def counts_in_flight(self, said: HeaderWindow) -> bool:
        """Whether the endpoint must have counted calls that it has not answered yet, to have so little left."""
        if said.limit is None or said.remaining is None:
            return False
        unanswered = said.limit - said.remaining - (self._total - self._gone)
        return unanswered >= 2 and 4 * unanswered >= self.in_flight


class Credit:
    """How much may be sent on the strength of one announcement, until it is outdated.

    With a reset, a token bucket as the endpoint keeps it: it regrows by (limit - remaining) / reset_s a second and is
    full when reset_s is over. Without one nobody knows when it regrows: it does so a period after it began to shrink.
    From then on nothing is known but the limit, which calls in flight must not exceed together.
    """

    __slots__ = ("_at", "_began_at", "_full_at", "_left", "_rate", "_remaining", "limit")

    def __init__(self, said: HeaderWindow, in_flight: int, now: float, before: "Credit | None" = None) -> None:
        self.limit: int | None = said.limit
        self._remaining = said.remaining
        self._began_at = self._at = self._full_at = now
        self._rate = 0.0
        self._left = math.inf
        if said.remaining is None:
            return
        limit, remaining = said.limit, said.remaining
        used = max(0, limit - remaining) if limit else 0  # more left than there can be: full
        # The endpoint may not have counted our calls in flight yet: they may be anywhere on their way. And another
        # client of the same key may take what is left before our next call comes: a second's worth is left for that.
        self._left = (limit - used - int(_OTHERS_S * limit / said.period_s) if limit else remaining) - in_flight
        if said.reset_s is None:
            self._follow(before, remaining)
            self._full_at = self._began_at + said.period_s if used or not limit else now
        else:
            self._full_at = now + said.reset_s
            self._rate = used / said.reset_s if said.reset_s else 0.0

    def _follow(self, before: "Credit | None", remaining: int) -> None:
        if before is not None and before._remaining is not None and remaining <= before._remaining:
            self._began_at = before._began_at

    @property
    def known(self) -> bool:
        """Whether the announcement said anything of this window."""
        return self.limit is not None or self._left < math.inf

    @property
    def is_bare(self) -> bool:
        """Whether the endpoint did not say what is left of its limit."""
        return self._left == math.inf

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
