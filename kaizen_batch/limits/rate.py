"""How many requests and tokens in each window of time: never more than allowed, and as many as that."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kaizen_batch.errors import ConfigError, ItemTooLargeError
from kaizen_batch.limits.pacing import Pacer, Pacing
from kaizen_batch.limits.rate_limit_headers import DAY_S, MINUTE_S, Quantity, RateLimitHeaders
from kaizen_batch.limits.reservation import NEVER_SENT, Reservation
from kaizen_batch.limits.windows import SlidingWindow

CountsFrom = Literal["auto", "sending", "answer"]

_MOST = 10**12  # tokens of one call; more is nonsense, and would not fit the arrays in the end
_AGREEING = 3  # answers that must show that the endpoint counts calls as they arrive


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `limit` requests or tokens in any `period_s` seconds of the endpoint's clock.

    >>> RateLimits(windows=[RateLimit("requests", 50, period_s=10.0)])
    """

    quantity: Quantity
    limit: int
    period_s: float = MINUTE_S

    def __post_init__(self) -> None:
        if self.quantity not in ("requests", "tokens"):
            raise ConfigError(f'quantity={self.quantity!r}: a limit is one of "requests" or "tokens"')
        if isinstance(self.limit, bool) or not isinstance(self.limit, int) or self.limit < 1:
            raise ConfigError(f"limit={self.limit!r}: give 1 or more {self.quantity}")
        if not 0 < self.period_s < math.inf:
            raise ConfigError(f"period_s={self.period_s!r}: give seconds above 0")


def rate_limits(
    *,
    requests_per_second: int | None = None,
    requests_per_minute: int | None = None,
    requests_per_day: int | None = None,
    tokens_per_minute: int | None = None,
) -> list[RateLimit]:
    """The limits that these options set. Raises: ConfigError for one below 1."""
    options: tuple[tuple[str, Quantity, int | None, float], ...] = (
        ("requests_per_second", "requests", requests_per_second, 1.0),
        ("requests_per_minute", "requests", requests_per_minute, MINUTE_S),
        ("requests_per_day", "requests", requests_per_day, DAY_S),
        ("tokens_per_minute", "tokens", tokens_per_minute, MINUTE_S),
    )
    for name, _, value, _ in options:
        if value is not None and value < 1:
            raise ConfigError(f"{name}={value!r}: give 1 or more, or None for no limit")
    return [RateLimit(quantity, value, period_s) for _, quantity, value, period_s in options if value is not None]


class RateLimiter:
    """Keeps rate limits, counted so that no window of the endpoint's ever holds more.

    >>> limiter = RateLimiter([RateLimit("requests", 500), RateLimit("tokens", 30_000)])
    >>> while (wait := limiter.delay(reservation, loop.time())) > 0:
    ...     ...  # until then, or until a call ends
    >>> limiter.reserve(reservation, loop.time())

    The windows slide; a refused call counts too. The promise needs reservations that bound their calls: one that took
    more counts in full once it has ended, so that only calls in flight can exceed, each by its own misjudgment. With
    `observe` the endpoint's own count steers too, whether a limit is configured or not. `pacing` says how requests are
    spread in time, `counts_from` when the endpoint counts a call: at its sending, at its answer, or "auto" for a
    moment between the two until its headers show that it is the sending. `name` is the window that held a call last;
    `token_limit` the tokens that a whole window has, configured or announced, None if nothing limits them. `seeded` are
    the journals whose last calls are counted.
    """

    def __init__(
        self, limits: Iterable[RateLimit] = (), *, pacing: Pacing = "auto", counts_from: CountsFrom = "auto"
    ) -> None:
        self.limits: tuple[RateLimit, ...] = tuple(limits)
        self.name: str = "the request window"
        self.seeded: set[Path] = set()
        self._windows: dict[tuple[Quantity, float], SlidingWindow] = {}
        self._requests: Sequence[SlidingWindow] = ()
        self._tokens: Sequence[SlidingWindow] = ()
        for limit in sorted(self.limits, key=lambda limit: -limit.limit):  # of two for one period the lower one holds
            self._windows[limit.quantity, limit.period_s] = SlidingWindow(limit.limit, limit.period_s)
        self._calls = self._reserved = 0
        self._counts_from = counts_from
        self._evidence = 0
        self._sent_at = -math.inf
        self.token_limit: int | None = None
        self._sort()
        per_request = [limit.period_s / limit.limit for limit in self.limits if limit.quantity == "requests"]
        self._pacer = Pacer(pacing, max(per_request, default=0.0))

    def _sort(self) -> None:
        self._requests = tuple(window for key, window in self._windows.items() if key[0] == "requests")
        self._tokens = tuple(window for key, window in self._windows.items() if key[0] == "tokens")
        limits = [window.limit for window in self._tokens if window.limit is not None]
        self.token_limit = min(limits, default=None)

    @property
    def active(self) -> bool:
        """Whether there is anything to obey: configured, announced or learned."""
        return self._pacer.active or any(window.active for window in self._windows.values())

    def limit_of(self, quantity: Quantity, period_s: float = MINUTE_S) -> int | None:
        """The configured limit of one window."""
        return next(
            (limit.limit for limit in self.limits if (limit.quantity, limit.period_s) == (quantity, period_s)), None
        )

    def join(self, in_flight: int, tokens: int) -> None:
        """Count from now on."""
        self._calls, self._reserved = in_flight, tokens
        for window in self._requests:
            window.join(in_flight)
        for window in self._tokens:
            window.join(tokens)

    @property
    def span_s(self) -> float:
        """The longest configured period; 0.0 if nothing is configured."""
        return max((limit.period_s for limit in self.limits), default=0.0)

    @property
    def counts_tokens(self) -> bool:
        """Whether the tokens of a call matter: a limit of tokens is configured, or the endpoint announced one."""
        return any(window.active for window in self._tokens)

    def seed(self, sent: Iterable[tuple[float, int]], journal: Path | None = None) -> None:
        """Count calls of an earlier process: when each was sent, on the loop's clock and in order, and its tokens.

        Those of one journal are counted once.
        """
        if journal is not None and journal in self.seeded:
            return
        if journal is not None:
            self.seeded.add(journal)
        for at, tokens in sent:
            for window in self._requests:
                window.seed(1, at)
            for window in self._tokens:
                window.seed(tokens, at)

    def check(self, reservation: Reservation) -> None:
        """ItemTooLargeError for a call of more tokens than a whole window has, by configuration or announcement."""
        limit = self.token_limit
        if limit is None or reservation.tokens <= limit:
            return
        configured = any(own.limit == limit for own in self.limits if own.quantity == "tokens")
        source = "tokens_per_minute" if configured else "announced by the endpoint"
        fix = "raise tokens_per_minute" if configured else "have the limit of the account raised"
        raise ItemTooLargeError(
            f"the call may take up to {reservation.tokens:,} tokens (an estimate), and {limit:,} a minute are allowed "
            f"({source}): shorten the item, lower max_tokens, or {fix}"
        )

    def delay(self, reservation: Reservation, now: float) -> float:
        """0.0 if the call may go now, else seconds until it may: inf if calls in flight must end first.

        Raises: ItemTooLargeError if a limit too low for the call was announced while it waited: it would never end.
        """
        needed = reservation.tokens + reservation.headroom
        for window in self._requests:
            if window.room < 1:
                break
        else:
            for window in self._tokens:
                if window.room < needed:
                    break
            else:
                return self._paced(now) if self._pacer.active else 0.0
        return self._wait(reservation, now)

    def _wait(self, reservation: Reservation, now: float) -> float:
        """The delay where a window may hold the call back."""
        requests = max((window.delay(1, now) for window in self._requests), default=0.0)
        # Headroom must not keep out a call that fits a whole window.
        needed = reservation.tokens + reservation.headroom
        needed = max(reservation.tokens, min(needed, self.token_limit or needed))
        tokens = max((window.delay(needed, now) for window in self._tokens), default=0.0)
        if not requests and not tokens:
            return self._paced(now) if self._pacer.active else 0.0
        self.check(reservation)
        if requests:
            self._pacer.window_is_known()  # full, and nothing was refused
        self.name = "the token window" if tokens > requests else "the request window"
        return max(requests, tokens)

    def _paced(self, now: float) -> float:
        wait_s = self._pacer.delay(now)
        if wait_s:
            self.name = "request pacing"
        return wait_s

    def reserve(self, reservation: Reservation, now: float) -> None:
        """Book a call that goes now: one request, and the tokens it reserves."""
        tokens = reservation.tokens
        self._calls += 1
        self._reserved += tokens
        for window in self._requests:
            window.reserve(1)
        for window in self._tokens:
            window.reserve(tokens)
        if self._pacer.active:
            self._pacer.reserve(reservation, now)

    def commit(self, reservation: Reservation, now: float) -> None:
        """Book its end, with the tokens it used, or those it reserved if nobody knows."""
        reserved, used, calls = reservation.tokens, reservation.used_tokens, 1
        if used is None:
            used = reserved
        elif not 0 <= used <= _MOST:
            calls = 0 if used == NEVER_SENT else 1
            used = min(max(used, 0), _MOST)
        self._calls -= 1
        self._reserved -= reserved
        sent_at = (reservation.sent_at or None) if self._counts_from == "sending" else None
        for window in self._requests:
            window.commit(1, calls, now, sent_at)
        for window in self._tokens:
            window.commit(reserved, used, now, sent_at)
        if reservation.early:
            self._pacer.commit(reservation)

    def answered(self) -> None:
        """A call was answered."""
        self._pacer.answered()

    def throttled(self, retry_after_s: float | None, sent_at: float, now: float) -> None:
        """A call was refused as too fast; where no window explains it, the pace does."""
        if not any(window.announced for window in self._requests):
            self._pacer.throttled(retry_after_s, sent_at, now, self._calls)

    def observe(
        self, said: RateLimitHeaders, sent_at: float, now: float, *, reservation: Reservation | None = None
    ) -> None:
        """Follow what the end of a call said that was sent at `sent_at`.

        `reservation` is that of the call if it has not been committed yet: the endpoint has counted it, the others in
        flight perhaps not. Answers overtake each other: that of the call sent last knows most, older ones are passed
        over.
        """
        if sent_at < self._sent_at:
            return
        self._sent_at = sent_at
        calls, tokens = (1, reservation.tokens) if reservation is not None else (0, 0)
        for quantity, window in said.windows:
            own = self._windows.get((quantity, window.period_s))
            if own is None:
                own = self._windows[quantity, window.period_s] = SlidingWindow(None, window.period_s)
                own.join(self._calls if quantity == "requests" else self._reserved)
            if quantity == "requests":
                self._weigh(own.counts_in_flight(window))
                self._pacer.window_is_known()
            own.observe(window, calls if quantity == "requests" else tokens, now)
        self._sort()

    def _weigh(self, counts_in_flight: bool) -> None:
        """Believe that the endpoint counts calls as they arrive once several answers in a row have shown it."""
        if self._counts_from != "auto":
            return
        self._evidence = self._evidence + 1 if counts_in_flight else 0
        if self._evidence >= _AGREEING:
            self._counts_from = "sending"
