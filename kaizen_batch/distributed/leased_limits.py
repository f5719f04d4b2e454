"""A worker's side of the leases: limits that the engine obeys like any other, filled by a thread that asks for more.

The engine asks a limit for its delay while it holds a lock, so the answer must come at once: a limit without credit
notes what it needs, wakes the thread, and says a short delay. The delay is always finite, for nobody in this process
knows when a window or another worker will have something left.
"""

import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

from kaizen_batch.distributed.leases import LEASE_S, Cap, Grant, Need
from kaizen_batch.errors import ItemTooLargeError
from kaizen_batch.limits import ADMISSION, Budget, Limit, RateLimit, RateLimiter, RateLimits, Reservation

_SOON_S = 0.02
_ROUNDING_USD = 1e-11  # a cap is rounded down to a pico-dollar, and what a call costs up
_REFUSED_S = 0.25
_CHUNKS = 20  # so many raises of a shard's cap use up the whole budget, if it is alone

Ask = Callable[..., Any]
"""Calls a method of the book, which may be in another process: its name, then its arguments."""


class LeasedRate:
    """Requests and tokens that were leased a moment ago."""

    name = "a lease of the shared rate"

    def __init__(self, limits: Sequence[RateLimit], workers: int, wake: Callable[[], None]) -> None:
        self.whole: RateLimiter = RateLimiter(limits)
        self.wanted_tokens: int | None = None
        self._wake = wake
        self._requests = self._tokens = 0
        self._valid_until = self._refused_until = 0.0
        self._chunk = Grant(*(_share(limits, quantity, workers) for quantity in ("requests", "tokens")))

    def check(self, reservation: Reservation) -> None:
        """Raise ItemTooLargeError for a call of more tokens than a whole window has."""
        self.whole.check(reservation)

    def delay(self, reservation: Reservation, now: float) -> float:
        """0.0 if the lease covers the call; else a short time."""
        moment = time.monotonic()
        if moment < self._valid_until and self._requests >= 1 and self._tokens >= reservation.tokens:
            return 0.0
        if moment < self._refused_until:
            return self._refused_until - moment
        self.wanted_tokens = reservation.tokens
        self._wake()
        return _SOON_S

    def reserve(self, reservation: Reservation, now: float) -> None:
        """Use a request and its tokens."""
        self._requests -= 1
        self._tokens -= reservation.tokens

    def commit(self, reservation: Reservation, now: float) -> None:
        """Give back the tokens that were not used; more than were reserved are owed."""
        used = reservation.used_tokens
        self._tokens += 0 if used is None else reservation.tokens - used

    def request(self) -> tuple[Grant, int] | None:
        """What to ask for, and the tokens of the first call; None if nothing is needed."""
        least, self.wanted_tokens = self.wanted_tokens, None
        if least is None:
            return None
        owed = max(0, -self._tokens)
        return Grant(self._chunk.requests, max(self._chunk.tokens, least + owed) if self.whole.counts_tokens else 0), (
            least + owed if self.whole.counts_tokens else 0
        )

    def receive(self, grant: Grant, asked_at: float) -> None:
        """A grant has come; it counts from the moment at which it was asked for."""
        if not grant.requests:
            self._refused_until = time.monotonic() + _REFUSED_S
            return
        if not self.whole.counts_tokens:
            grant = Grant(grant.requests, 2**62)
        owed = min(0, self._tokens) if time.monotonic() >= self._valid_until else self._tokens
        self._requests, self._tokens = grant.requests, min(2**62, grant.tokens + min(0, owed))
        self._valid_until = asked_at + LEASE_S


def _share(limits: Sequence[RateLimit], quantity: str, workers: int) -> int:
    """A worker's part of what a lease lasts for, at least one; many where nothing limits it."""
    each = [limit.limit * LEASE_S / limit.period_s / workers for limit in limits if limit.quantity == quantity]
    return max(1, int(min(each))) if each else 1000


class LeasedBudget(Budget):
    """A budget of which this process has only the part that its cap allows."""

    def __init__(self, whole_usd: float, workers: int, wake: Callable[[], None]) -> None:
        super().__init__(whole_usd)
        self.raise_to(0.0)
        self.needed_usd: float | None = None
        self.chunk_usd: float = whole_usd / workers / _CHUNKS
        self._wake = wake
        self._is_final = False
        self._refused_until = 0.0

    def check(self, reservation: Reservation) -> None:
        """ItemTooLargeError for a call that can cost more than the whole budget."""
        if reservation.usd > self.usd:
            raise ItemTooLargeError(
                f"this call can cost up to {reservation.usd:.6g} USD, more than the whole budget_usd={self.usd:g}; "
                "lower max_tokens, shorten the input or raise budget_usd"
            )

    def delay(self, reservation: Reservation, now: float) -> float:
        """0.0 if the call fits under the cap, else a short time, or BudgetExhaustedError when no more is to come."""
        if self._is_final or self.fits(reservation):
            return super().delay(reservation, now)
        moment = time.monotonic()
        if moment < self._refused_until:
            return self._refused_until - moment
        self.needed_usd = reservation.usd + _ROUNDING_USD
        self._wake()
        return _SOON_S

    def request(self) -> Need | None:
        """What to ask for; None if nothing is needed. Until the answer comes, nothing more is reserved."""
        if self.needed_usd is None:
            return None
        self.raise_to(0.0)  # what is not used goes back
        committed_usd = self.ledger.spent_usd + self.ledger.reserved_usd
        return Need(self.needed_usd, committed_usd, self.chunk_usd, not self.ledger.in_flight)

    def receive(self, cap: Cap) -> None:
        """A new cap has come."""
        self.raise_to(cap.usd)
        self._is_final = cap.is_final
        if self.needed_usd is not None and self.left_usd < self.needed_usd:
            self._refused_until = time.monotonic() + _REFUSED_S
        self.needed_usd = None


class Lessee(NamedTuple):
    """Who leases: a shard, one of so many workers at once, and how it reaches the book."""

    shard: str
    workers: int
    ask: Ask


class Leased(RateLimits):
    """The limits of one shard, leased while the block lasts."""

    def __init__(self, lessee: Lessee, limits: Sequence[RateLimit], budget_usd: float | None) -> None:
        self._shard, self._ask, workers = lessee.shard, lessee.ask, lessee.workers
        self._event = threading.Event()
        self._is_over = False
        rate = LeasedRate(limits, workers, self._event.set) if limits else None
        self.rate: RateLimiter = rate.whole if rate is not None else RateLimiter()
        self.budget: Budget | None = None
        self._rate = rate
        if budget_usd is not None:
            self.budget = self._budget = LeasedBudget(budget_usd, workers, self._event.set)
        self.limits: tuple[Limit, ...] = () if rate is None else (rate,)
        self._thread = threading.Thread(target=self._serve, name="kaizen-batch leases", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over = True
        self._event.set()
        self._thread.join(5.0)

    def _serve(self) -> None:
        while self._event.wait() and not self._is_over:
            self._event.clear()
            if self._rate is not None:
                self._lease_rate(self._rate)
            if self.budget is not None:
                self._raise_cap(self._budget)

    def _lease_rate(self, rate: LeasedRate) -> None:
        with ADMISSION.lock:
            wanted = rate.request()
        if wanted is not None:
            asked_at = time.monotonic()
            grant = Grant(*self._ask("lease", *wanted))
            with ADMISSION.lock:
                rate.receive(grant, asked_at)

    def _raise_cap(self, budget: LeasedBudget) -> None:
        with ADMISSION.lock:
            need = budget.request()
        if need is not None:
            cap = Cap(*self._ask("cap", self._shard, need))
            with ADMISSION.lock:
                budget.receive(cap)
