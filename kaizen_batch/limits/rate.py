"""How many requests and tokens a minute: what is configured is never exceeded, and what is announced is followed."""

import math
from array import array
from bisect import bisect_left

from kaizen_batch.errors import ConfigError, ItemTooLargeError
from kaizen_batch.limits.rate_limit_headers import ROUNDING_S, Credit, HeaderWindow, RateLimitHeaders
from kaizen_batch.limits.reservation import Reservation

_DRIFT = 1e-3  # the endpoint's clock may run this much slower than ours; quartz is off by 1e-4 at worst
_COMPACT_AT = 1024
_MOST = 10**12  # tokens of one call; more is nonsense, and would not fit the arrays in the end


class SlidingWindow:
    """One quantity of which no `window_s` seconds of the endpoint's clock may hold more than `configured`.

    The endpoint counts a call at an unknown moment between `take` and `settle`. So a call keeps its share from
    `take` until `window_s` after `settle`: no call taken later can fall into the same window as this one.

    `room` is how much fits for certain, inf if nothing limits it; whether more fits, `delay` says.
    """

    __slots__ = (
        "_configured",
        "_credit",
        "_gone",
        "_head",
        "_hold_s",
        "_leaves_at",
        "_sums",
        "_total",
        "_window_s",
        "in_flight",
        "room",
    )

    def __init__(self, configured: int | None, window_s: float) -> None:
        self._configured = configured
        self._window_s = window_s
        self._hold_s = window_s * (1 + _DRIFT) + ROUNDING_S
        self.in_flight: int = 0
        self.room: float = math.inf if configured is None else configured
        # The settled calls, in the order in which they leave. `_sums` runs on and never starts anew, so that the
        # first call whose leaving frees enough is found by bisection; those before `_head` have left.
        self._leaves_at = array("d")
        self._sums = array("q")
        self._head = 0
        self._total = 0  # of all calls ever settled
        self._gone = 0  # of those that have left
        self._credit: Credit | None = None

    @property
    def active(self) -> bool:
        """Whether anything can hold a call: a configured limit, or something announced."""
        return self._configured is not None or (self._credit is not None and self._credit.known)

    @property
    def limit(self) -> int | None:
        """The lower one of the configured and the announced limit."""
        announced = self._credit.limit if self._credit else None
        if announced is None or self._configured is None:
            return self._configured if announced is None else announced
        return min(self._configured, announced)

    def delay(self, cost: int, now: float) -> float:
        """Seconds until `cost` fits: 0.0 if it does now, inf if calls in flight must end first."""
        credit = self._credit
        if credit is None:
            return 0.0 if self._configured is None else self._window_delay(cost, self._configured, now)
        by_credit = credit.delay(cost, self.in_flight, now)
        if self._configured is None:
            return by_credit
        limit = self._configured if credit.limit is None else min(self._configured, credit.limit)
        return max(by_credit, self._window_delay(cost, limit, now))

    def _window_delay(self, cost: int, limit: int, now: float) -> float:
        leaves_at = self._leaves_at
        if self._head < len(leaves_at) and leaves_at[self._head] <= now + ROUNDING_S:
            self._forget(now)
        settled = self._total - self._gone
        excess = self.in_flight + settled + cost - limit
        if excess <= 0:
            return 0.0
        if excess > settled:
            return math.inf
        return leaves_at[bisect_left(self._sums, self._gone + excess, self._head)] - now

    def _forget(self, now: float) -> None:
        leaves_at, head, until = self._leaves_at, self._head, now + ROUNDING_S
        while head < len(leaves_at) and leaves_at[head] <= until:
            head += 1
        gone = self._sums[head - 1]
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

    def commit(self, reserved: int, used: int, now: float) -> None:
        """Give back what was not used at once, and the rest when the window is over."""
        self.in_flight -= reserved
        if self._configured is not None:
            leaves_at = self._leaves_at
            leaves_at.append(now + self._hold_s)
            self._total = total = self._total + used
            self._sums.append(total)
            self.room += reserved - used
            if leaves_at[self._head] <= now:
                self._forget(now)
        if self._credit is not None and used > reserved:
            self._credit.spend(used - reserved)

    def observe(self, said: HeaderWindow, counted: int, now: float) -> None:
        """Follow what the endpoint says from now on; `counted` of what is in flight it has certainly counted."""
        self._credit = Credit(said, self.in_flight - counted, now, self._window_s)
        self.room = -math.inf  # ask the credit

    def join(self, in_flight: int) -> None:
        """Count from now on."""
        self.reserve(in_flight - self.in_flight)


class RateLimiter:
    """At most so many requests and tokens a minute, counted so that no minute of the endpoint's ever holds more.

        limiter = RateLimiter(requests_per_minute=500, tokens_per_minute=30_000)
        limiter.check(ticket)
        while (wait := limiter.delay(ticket, loop.time())) > 0:
            ...  # until then, or until a call ends
        limiter.take(ticket, loop.time())

    The windows slide; a refused call counts too. The promise needs tickets that bound their calls: one that took
    more counts in full once it is settled, so that only calls in flight can exceed, each by its own misjudgement.
    Whatever the network's delays, the rate reaches limit / (window_s + the time of a call). With `announce` the
    endpoint's own count steers too, be a limit configured or not. `name` is the window that held a call last;
    `token_limit` the tokens that a whole window has, configured or announced, None if nothing limits them.
    """

    def __init__(
        self, *, requests_per_minute: int | None = None, tokens_per_minute: int | None = None, window_s: float = 60.0
    ) -> None:
        _check_option(
            "requests_per_minute", requests_per_minute, requests_per_minute is None or requests_per_minute >= 1
        )
        _check_option("tokens_per_minute", tokens_per_minute, tokens_per_minute is None or tokens_per_minute >= 1)
        _check_option("window_s", window_s, 0 < window_s < math.inf)
        self.name: str = "the request window"
        self.requests_per_minute: int | None = requests_per_minute
        self.tokens_per_minute: int | None = tokens_per_minute
        self._requests = SlidingWindow(requests_per_minute, window_s)
        self._tokens = SlidingWindow(tokens_per_minute, window_s)
        self.token_limit = self._tokens.limit
        self._sent_at = -math.inf

    @property
    def active(self) -> bool:
        """Whether there is anything to obey: configured, or announced."""
        return self._requests.active or self._tokens.active

    def join(self, in_flight: int, tokens: int) -> None:
        """Count from now on."""
        self._requests.join(in_flight)
        self._tokens.join(tokens)

    @property
    def counts_tokens(self) -> bool:
        """Whether the tokens of a ticket matter: a limit of tokens is configured, or the endpoint announced one."""
        return self._tokens.active

    def check(self, reservation: Reservation) -> None:
        """ItemTooLargeError for a call of more tokens than a whole window has, by configuration or announcement."""
        limit = self._tokens.limit
        if limit is None or reservation.tokens <= limit:
            return
        configured = limit == self.tokens_per_minute
        source = "tokens_per_minute" if configured else "announced by the endpoint"
        mend = "raise tokens_per_minute" if configured else "have the limit of the account raised"
        raise ItemTooLargeError(
            f"the call may take up to {reservation.tokens:,} tokens (an estimate), and {limit:,} a minute are allowed "
            f"({source}): shorten the item, lower max_tokens, or {mend}"
        )

    def delay(self, reservation: Reservation, now: float) -> float:
        """0.0 if both windows have room, else seconds until they have: inf if calls in flight must end first.

        ItemTooLargeError if a limit too low for the call was announced while it waited: it would wait for ever.
        """
        if self._requests.room >= 1 and self._tokens.room >= reservation.tokens:
            return 0.0
        requests = self._requests.delay(1, now)
        tokens = self._tokens.delay(reservation.tokens, now)
        if not requests and not tokens:
            return 0.0
        self.check(reservation)
        self.name = "the token window" if tokens > requests else "the request window"
        return max(requests, tokens)

    def reserve(self, reservation: Reservation, now: float) -> None:
        """Book a call that goes now: one request, and the tokens it reserves."""
        self._requests.reserve(1)
        self._tokens.reserve(reservation.tokens)

    def commit(self, reservation: Reservation, now: float) -> None:
        """Book its end, with the tokens it used, or those it reserved if nobody knows."""
        reserved, used = reservation.tokens, reservation.used_tokens
        if used is None:
            used = reserved
        elif not 0 <= used <= _MOST:
            used = min(max(used, 0), _MOST)
        self._requests.commit(1, 1, now)
        self._tokens.commit(reserved, used, now)

    def observe(
        self,
        read_rate_limit_headers: RateLimitHeaders,
        sent_at: float,
        now: float,
        *,
        reservation: Reservation | None = None,
    ) -> None:
        """Follow what the answer to a call said; `sent_at` is when that call was taken.

        `ticket` is the answered call if it is not settled yet: the endpoint has counted it, the others in flight
        perhaps not. Answers overtake each other: that of the call sent last knows most, older ones are passed over.
        """
        if sent_at < self._sent_at:
            return
        self._sent_at = sent_at
        self._requests.observe(read_rate_limit_headers.requests, 1 if reservation else 0, now)
        self._tokens.observe(read_rate_limit_headers.tokens, reservation.tokens if reservation else 0, now)
        self.token_limit = self._tokens.limit


def _check_option(name: str, value: float | None, allowed: bool) -> None:
    if not allowed:
        wanted = "seconds above 0" if name == "window_s" else "1 or more, or None for no limit"
        raise ConfigError(f"{name}={value!r}: give {wanted}")
