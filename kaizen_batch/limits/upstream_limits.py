"""What holds for one endpoint over all runs of an agent."""

import threading
from collections.abc import Iterable, Sequence
from weakref import WeakSet

from kaizen_batch.limits.admission import ADMISSION
from kaizen_batch.limits.circuit_breaker import CircuitBreaker
from kaizen_batch.limits.concurrency import ConcurrencyLimiter
from kaizen_batch.limits.endpoints import EndpointChoice
from kaizen_batch.limits.queue import WaitQueue
from kaizen_batch.limits.rate import RateLimiter
from kaizen_batch.limits.rate_limits import RateLimits
from kaizen_batch.limits.reservation import InFlight, JoiningLimit, Limit
from kaizen_batch.limits.token_estimate import TokenEstimate


class UpstreamLimits:
    """The ceilings of one agent for its endpoint, and what its calls have taught about that endpoint.

    They belong to the agent and hold over all its runs, one after the other or at the same time, on any event loop and
    thread. `slots` bounds the calls at once, None if the agent sets no ceiling; `ceiling_is_explicit` says whether the
    user set it. `rate` has the configured and the announced windows, `breaker` the state of the endpoint, `estimate`
    the tokens of a call, `shared` the limits that other agents keep too. `endpoints` places calls where several
    endpoints serve the model: then each of them has limits of its own beside these, in `members`. `active` are the
    limits that hold now, `in_flight` the calls under way.

    Everything but `queue`, `resize` and `serve_at` needs `lock`.
    """

    def __init__(self, slots: ConcurrencyLimiter | None = None, rate: RateLimiter | None = None) -> None:
        self.slots = slots
        self.ceiling_is_explicit: bool = False
        self.rate: RateLimiter = rate or RateLimiter()
        self.breaker: CircuitBreaker = CircuitBreaker(slots.max_concurrent if slots is not None else 1)
        self.estimate: TokenEstimate = TokenEstimate()
        self.shared: RateLimits | None = None
        self.lock: threading.Lock = ADMISSION.lock
        self.troubled: bool = False
        self.endpoints: EndpointChoice | None = None
        self.members: list[UpstreamLimits] = []
        self.in_flight: InFlight = InFlight()
        self.active: list[Limit] = [self.rate] if self.rate.active else []
        self._queues: WeakSet[WaitQueue] = WeakSet()

    def queue(self, run_limits: Iterable[Limit]) -> WaitQueue:
        """The wait queue of one run, which obeys the run's limits too."""
        with self.lock:
            # The breaker joins with the first trouble, and the rate limiter, unless configured, with the first
            # announcement: until then no call spends time on them.
            shared = self.shared.limits if self.shared is not None else ()
            queue = WaitQueue(ADMISSION, (*self.active, *shared, *run_limits), self.in_flight)
            self._queues.add(queue)
        return queue

    def serve_at(self, members: "Sequence[tuple[UpstreamLimits, float]]") -> EndpointChoice:
        """Place calls at these endpoints, each with its weight; before the first queue. Later calls change nothing."""
        with self.lock:
            if self.endpoints is None:
                for limits, _ in members:
                    limits.estimate = self.estimate
                self.members = [limits for limits, _ in members]
                self.endpoints = EndpointChoice(members)
                self.active.append(self.endpoints)
            return self.endpoints

    def resize(self, max_concurrent: int) -> None:
        """Set the ceiling of calls at once, for runs under way too."""
        with self.lock:
            self.ceiling_is_explicit = True
            if self.slots is None:
                self.slots = ConcurrencyLimiter(max_concurrent)
            else:
                self.slots.resize(max_concurrent)
            for queue in self._queues:
                queue.nudge()

    def activate(self, limit: JoiningLimit) -> None:
        """Have every queue obey this limit from now on."""
        if limit in self.active:
            return
        self.active.append(limit)
        limit.join(self.in_flight.calls, self.in_flight.tokens)
        for queue in self._queues:
            queue.activate(limit)

    def watch_out(self) -> None:
        """Something went wrong: the breaker counts from now on."""
        self.troubled = True
        self.activate(self.breaker)
