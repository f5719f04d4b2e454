"""A hard cap on what a run may spend."""

import logging
import math

from kaizen_batch.errors import BudgetExhaustedError, ConfigError, ItemTooLargeError
from kaizen_batch.limits.reservation import Reservation

_log = logging.getLogger(__name__)

# Money is counted in whole pico-dollars (1e-12 USD): sums of floats drift, sums of integers do not. What a call costs
# or may cost is rounded up, the cap down, from the exact value of the float; so the true sum never exceeds the true
# cap by any amount, at the price of a pico-dollar a call.
_PICO = 10**12


class Budget:
    """At most `usd` spent: what a call can cost is reserved before it is sent, and settled after.

    >>> budget = Budget(1.0)
    >>> call = Ticket(usd=0.25)
    >>> budget.take(call, now=0.0)
    >>> call.used_usd = 0.125
    >>> budget.settle(call, now=1.0)
    >>> budget.spent_usd, budget.left_usd
    (0.125, 0.875)

    All in USD. `spent_usd` is what earlier runs on the same journal have spent. Raises ConfigError for a cap that is
    not above 0. A call that costs more than was reserved (its price was wrong) counts in full and is logged once:
    only then can more than the cap be spent.
    """

    name = "the budget"

    def __init__(self, usd: float, spent_usd: float = 0.0) -> None:
        if not (math.isfinite(usd) and usd > 0):
            raise ConfigError(f"budget_usd must be a finite number > 0, in USD (None: no budget); given: {usd!r}")
        if not (math.isfinite(spent_usd) and spent_usd >= 0):
            raise ConfigError(f"spent_usd must be a finite number >= 0, in USD; given: {spent_usd!r}")
        self.usd = usd
        self._cap = _pico_down(usd)
        self._spent = _pico_up(spent_usd)
        self._reserved = 0
        self._in_flight = 0
        self._warned = False

    @property
    def spent_usd(self) -> float:
        """What is spent; calls of which nobody knows whether they were billed count in full."""
        return self._spent / _PICO

    @property
    def reserved_usd(self) -> float:
        """What the calls in flight can cost at most."""
        return self._reserved / _PICO

    @property
    def left_usd(self) -> float:
        """What the next call may cost now."""
        return max(0, self._cap - self._spent - self._reserved) / _PICO

    def book(self, usd: float) -> None:
        """Count what earlier runs have spent."""
        self._spent += _pico_up(usd)

    def check(self, reservation: Reservation) -> None:
        """ItemTooLargeError for a call that can cost more than the whole budget."""
        if _reserved(reservation) > self._cap:
            raise ItemTooLargeError(
                f"this call can cost up to {reservation.usd:.6g} USD, more than the whole budget_usd={self.usd:g}; "
                "lower max_tokens, shorten the input or raise budget_usd"
            )

    def delay(self, reservation: Reservation, now: float) -> float:
        """0.0 if the call fits, inf while calls in flight may give something back, else BudgetExhaustedError."""
        if self._spent + self._reserved + _reserved(reservation) <= self._cap:
            return 0.0
        if self._in_flight:
            return math.inf
        raise BudgetExhaustedError(
            f"of budget_usd={self.usd:g}, {self.spent_usd:.6g} USD are spent, and the next call can cost up to "
            f"{reservation.usd:.6g} USD; raise budget_usd and run the same batch again with the same journal"
        )

    def reserve(self, reservation: Reservation, now: float) -> None:
        """Reserve what the call can cost."""
        self._reserved += _reserved(reservation)
        self._in_flight += 1

    def commit(self, reservation: Reservation, now: float) -> None:
        """Replace the reservation by what the call cost; the whole reservation if nobody knows."""
        reserved = _reserved(reservation)
        used = reserved if reservation.used_usd is None else _pico_up(reservation.used_usd)
        self._reserved -= reserved
        self._in_flight -= 1
        self._spent += used
        if used > reserved:
            self._warn(reservation)

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


def _reserved(reservation: Reservation) -> int:
    if reservation.usd_pico is None:
        reservation.usd_pico = _pico_up(reservation.usd)
    return reservation.usd_pico


def _pico_up(usd: float) -> int:
    numerator, denominator = usd.as_integer_ratio()
    return -(-numerator * _PICO // denominator)


def _pico_down(usd: float) -> int:
    numerator, denominator = usd.as_integer_ratio()
    return numerator * _PICO // denominator
