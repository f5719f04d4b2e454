"""A hard cap on what a run may spend."""

import logging
import math
from collections.abc import Callable

from kaizen_batch.errors import BudgetExhaustedError, ConfigError, ItemTooLargeError
from kaizen_batch.limits.reservation import Reservation
from kaizen_batch.results.texts.numbers import usd

_log = logging.getLogger(__name__)

# Money is counted in whole pico-dollars (1e-12 USD): sums of floats drift, sums of integers do not. What a call costs
# or may cost is rounded up, the cap down, from the exact value of the float; so the true sum never exceeds the true
# cap by any amount, at the price of a pico-dollar a call.
_PICO = 10**12


class Ledger:
    """What calls have cost and may still cost: of one run, or of all runs of this process on one journal.

    It is a limit that holds no call back. The queues of all runs on a journal obey one, so that the end of a call of
    one run wakes those that wait for money in another. `doubtful` is the part of what is spent of which nobody knows
    whether it was billed.
    """

    name = "the ledger"

    def __init__(self) -> None:
        self.spent: int = 0
        self.doubtful: int = 0
        self.reserved: int = 0
        self.in_flight: int = 0
        self._warned = False

    @property
    def spent_usd(self) -> float:
        """What is spent; calls of which nobody knows whether they were billed count in full."""
        return self.spent / _PICO

    @property
    def doubtful_usd(self) -> float:
        """The part of it that may not have been billed."""
        return self.doubtful / _PICO

    @property
    def reserved_usd(self) -> float:
        """What the calls in flight can cost at most."""
        return self.reserved / _PICO

    def book(self, usd: float, doubtful_usd: float = 0.0) -> None:
        """Count what earlier runs have spent, and what they may have spent besides."""
        doubtful = _pico_up(doubtful_usd)
        self.spent += _pico_up(usd) + doubtful
        self.doubtful += doubtful

    def try_book(self, usd: float, cap_usd: float | None) -> bool:
        """Count what a request in a batch can cost at most, unless it does not fit under the cap any more."""
        pico = _pico_up(usd)
        if cap_usd is not None and self.spent + self.reserved + pico > _pico_down(cap_usd):
            return False
        self.spent += pico
        self.doubtful += pico
        return True

    def commit_doubtful(self, doubtful_usd: float, usd: float) -> None:
        """A call that was booked as doubtful has an outcome: it has cost so much."""
        # Rounded down: what was booked for many together must not be given back in larger pieces.
        pico = _pico_down(doubtful_usd)
        self.spent += _pico_up(usd) - pico
        self.doubtful -= pico

    def check(self, reservation: Reservation) -> None:
        """Any call is allowed."""

    def delay(self, reservation: Reservation, now: float) -> float:
        """No call has to wait."""
        return 0.0

    def reserve(self, reservation: Reservation, now: float) -> None:
        """Reserve what the call can cost."""
        reserved = reservation.usd_pico
        self.reserved += reserved_pico(reservation) if reserved is None else reserved
        self.in_flight += 1

    def commit(self, reservation: Reservation, now: float) -> None:
        """Replace the reservation by what the call cost; the whole reservation if nobody knows."""
        reserved = reservation.usd_pico
        if reserved is None:
            reserved = reserved_pico(reservation)
        self.reserved -= reserved
        self.in_flight -= 1
        if reservation.used_usd is None:
            self.spent += reserved
            self.doubtful += reserved
            return
        used = _pico_up(reservation.used_usd)
        self.spent += used
        if used > reserved and reserved:
            self._warn(reservation)

    def join(self, in_flight: int, tokens: int) -> None:
        """Join the queues of a run, which has no call in flight yet."""

    def _warn(self, reservation: Reservation) -> None:
        if self._warned:
            return
        self._warned = True
        _log.warning(
            "a call cost %.6g USD, and %.6g USD were reserved for it: the price or the token estimate is too low, and "
            "the budget may be exceeded; further cases are not logged",
            reservation.used_usd,
            reservation.usd,
        )


class Budget:
    """At most `usd` spent: what a call can cost is reserved before it is sent, and committed after.

    >>> budget = Budget(1.0)
    >>> call = Reservation(usd=0.25)
    >>> budget.reserve(call, now=0.0)
    >>> call.used_usd = 0.125
    >>> budget.commit(call, now=1.0)
    >>> budget.spent_usd, budget.left_usd
    (0.125, 0.875)

    All in USD. `spent_usd` is what was spent before. Raises ConfigError for a cap that is not above 0. A call that
    costs more than was reserved (its price was wrong) counts in full and is logged once: only then can more than the
    cap be spent. With `follow(ledger)` the budget caps what all runs on a journal spend together.
    """

    name = "the budget"

    def __init__(self, usd: float, spent_usd: float = 0.0) -> None:
        if not (math.isfinite(usd) and usd > 0):
            raise ConfigError(f"budget_usd must be a finite number > 0, in USD (None: no budget); given: {usd!r}")
        if not (math.isfinite(spent_usd) and spent_usd >= 0):
            raise ConfigError(f"spent_usd must be a finite number >= 0, in USD; given: {spent_usd!r}")
        self.usd: float = usd
        self._cap = _pico_down(usd)
        self.ledger: Ledger = Ledger()
        self.ledger.book(spent_usd)
        self.reserve: Callable[[Reservation, float], None] = self.ledger.reserve
        self.commit: Callable[[Reservation, float], None] = self.ledger.commit

    def raise_to(self, usd: float) -> None:
        """Let so much be spent from now on."""
        self._cap = _pico_down(usd)

    @property
    def spent_usd(self) -> float:
        """What is spent; calls of which nobody knows whether they were billed count in full."""
        return self.ledger.spent_usd

    @property
    def reserved_usd(self) -> float:
        """What the calls in flight can cost at most."""
        return self.ledger.reserved_usd

    @property
    def left_usd(self) -> float:
        """What the next call may cost now."""
        return max(0, self._cap - self.ledger.spent - self.ledger.reserved) / _PICO

    def follow(self, ledger: Ledger) -> None:
        """Cap what this ledger counts, which the queue obeys by itself; before any call."""
        self.ledger = ledger
        self.reserve = self.commit = _is_booked

    def check(self, reservation: Reservation) -> None:
        """ItemTooLargeError for a call that can cost more than the whole budget."""
        if reserved_pico(reservation) > self._cap:
            raise ItemTooLargeError(
                f"this call can cost up to {reservation.usd:.6g} USD, more than the whole budget_usd={self.usd:g}; "
                "lower max_tokens, shorten the input or raise budget_usd"
            )

    def delay(self, reservation: Reservation, now: float) -> float:
        """0.0 if the call fits, inf while calls in flight may give something back, else BudgetExhaustedError."""
        # As in `fits`, without the cost of a call for each item.
        ledger, reserved = self.ledger, reservation.usd_pico
        if reserved is None:
            reserved = reserved_pico(reservation)
        if ledger.spent + ledger.reserved + reserved <= self._cap:
            return 0.0
        if ledger.in_flight:
            return math.inf
        raise BudgetExhaustedError(
            f"{usd(self.spent_usd)} of {usd(self.usd)} is spent{self._doubts()}; the next call could cost up to "
            f"{usd(reservation.usd)}; raise budget_usd, or lower max_tokens, and run the same batch again with the "
            "same journal"
        )

    def fits(self, reservation: Reservation) -> bool:
        """Whether the call can be reserved now."""
        return self.ledger.spent + self.ledger.reserved + reserved_pico(reservation) <= self._cap

    def _doubts(self) -> str:
        if not self.ledger.doubtful:
            return ""
        return (
            f" (at most {usd(self.ledger.doubtful_usd)} of it for calls that got no answer: timed out, torn, submitted,"
            " or in flight when a run was killed; if the provider did not bill them, Journal(path).release_doubts()"
            " frees that money)"
        )


def _is_booked(reservation: Reservation, now: float) -> None:
    """The queue obeys the ledger as well."""


def reserved_pico(reservation: Reservation) -> int:
    """What a call can cost at most, in pico-dollars."""
    if reservation.usd_pico is None:
        reservation.usd_pico = _pico_up(reservation.usd)
    return reservation.usd_pico


def _pico_up(usd: float) -> int:
    numerator, denominator = usd.as_integer_ratio()
    return -(-numerator * _PICO // denominator)


def _pico_down(usd: float) -> int:
    numerator, denominator = usd.as_integer_ratio()
    return numerator * _PICO // denominator
