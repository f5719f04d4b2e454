"""Several endpoints that serve one model, as one limit: a call may go as soon as one of them lets it.

Each endpoint has limits of its own: slots, rate windows, a circuit breaker. The wait queue in front of them sees one
limit, which holds a call back while every endpoint does, and places it when it goes. So nobody waits at a busy or
failing endpoint while another one is free.

Placement is weighted least connections: the endpoint whose calls in flight are the smallest share of what it may have.
Equal shares take turns. An endpoint that fails at once would have no calls in flight, and so attract all of them; its
circuit breaker takes it out after five. A call that is repeated goes elsewhere if it can.

Source: "least-connection scheduling", W. Zhang, Linux Virtual Server for Scalable Network Services, 2000.
"""

import math
from collections.abc import Sequence
from typing import Protocol

from kaizen_batch.errors import ItemTooLargeError
from kaizen_batch.limits.circuit_breaker import CircuitBreaker
from kaizen_batch.limits.concurrency import ConcurrencyLimiter
from kaizen_batch.limits.reservation import InFlight, Limit, Reservation

_ANY_NUMBER = 100_000
_AVOIDED = 1e9


class EndpointLimits(Protocol):
    """The limits of one endpoint; `active` are those that hold now."""

    slots: ConcurrencyLimiter | None
    breaker: CircuitBreaker
    troubled: bool
    active: list[Limit]
    in_flight: InFlight


class EndpointChoice:
    """Places calls at the endpoints of one model.

    `members` are the limits of each. `out` holds the numbers of those that get no call any more. Everything needs the
    lock of the admission.
    """

    def __init__(self, members: Sequence[tuple[EndpointLimits, float]]) -> None:
        self.name: str = "a free endpoint"
        self.members: list[EndpointLimits] = [limits for limits, _ in members]
        self.out: set[int] = set()
        self._weights = [weight for _, weight in members]
        self._chosen = [0] * len(members)
        self._turn = 0
        for limits in self.members:
            limits.breaker.gives_up = False
            if limits.slots is not None:
                limits.active.append(limits.slots)

    def join(self, in_flight: int, tokens: int) -> None:
        """Count from the beginning."""

    def in_service(self) -> list[EndpointLimits]:
        """The endpoints that may get calls."""
        return [limits for number, limits in enumerate(self.members) if number not in self.out]

    def has_healthy_beside(self, number: int) -> bool:
        """Whether an endpoint other than this one works, as far as its last calls show."""
        return any(
            not limits.troubled or limits.breaker.is_healthy
            for other, limits in enumerate(self.members)
            if other != number and other not in self.out
        )

    def check(self, reservation: Reservation) -> None:
        """Raise ItemTooLargeError for a call that fits no endpoint."""
        refusal = None
        for limits in self.in_service():
            try:
                for limit in limits.active:
                    limit.check(reservation)
                return
            except ItemTooLargeError as error:
                refusal = error
        if refusal is not None:
            raise refusal

    def delay(self, reservation: Reservation, now: float) -> float:
        """Seconds until the first endpoint may take the call."""
        soonest, refusal = math.inf, None
        for limits in self.in_service():
            try:
                delay, limit = _longest(limits, reservation, now)
            except ItemTooLargeError as error:
                refusal = error
                continue
            if delay <= 0:
                return 0.0
            if delay <= soonest:
                soonest, self.name, refusal = delay, limit, None
        if refusal is not None and soonest == math.inf:
            self.check(reservation)
        return soonest

    def reserve(self, reservation: Reservation, now: float) -> None:
        """Choose the endpoint and book the call there."""
        number = self._best(reservation, now)
        limits = self.members[number]
        self._turn += 1
        self._chosen[number] = self._turn
        reservation.endpoint = number
        limits.in_flight.calls += 1
        limits.in_flight.tokens += reservation.tokens
        for limit in limits.active:
            limit.reserve(reservation, now)

    def commit(self, reservation: Reservation, now: float) -> None:
        """Book its end."""
        limits = self.members[reservation.endpoint]
        limits.in_flight.calls -= 1
        limits.in_flight.tokens -= reservation.tokens
        for limit in limits.active:
            limit.commit(reservation, now)

    def _best(self, reservation: Reservation, now: float) -> int:
        avoided = reservation.endpoint
        best, least = -1, (math.inf, math.inf)
        for number, limits in enumerate(self.members):
            if number in self.out or not _lets_through(limits, reservation, now):
                continue
            ceiling = limits.slots.limit if limits.slots is not None else _ANY_NUMBER
            load = (limits.in_flight.calls + 1) / (ceiling * self._weights[number])
            share = (load + _AVOIDED if number == avoided else load, self._chosen[number])
            if share < least:
                best, least = number, share
        assert best >= 0, "the queue asks `delay` first, under the same lock"
        return best


def _longest(limits: EndpointLimits, reservation: Reservation, now: float) -> tuple[float, str]:
    """How long an endpoint holds the call back, and the name of the limit that does."""
    longest, name = 0.0, ""
    for limit in limits.active:
        delay = limit.delay(reservation, now)
        if delay > longest:
            longest, name = delay, limit.name
    return longest, name


def _lets_through(limits: EndpointLimits, reservation: Reservation, now: float) -> bool:
    try:
        return _longest(limits, reservation, now)[0] <= 0
    except ItemTooLargeError:
        return False
