"""Several endpoints that serve one model, as one upstream of a run."""

import logging
from collections.abc import Sequence

from kaizen_batch.agents import Agent
from kaizen_batch.config import RunConfig
from kaizen_batch.engine.run_limits import RunLimits
from kaizen_batch.engine.upstream import Upstream
from kaizen_batch.errors import (
    AuthenticationError,
    EndpointDownError,
    KaizenBatchError,
    ModelNotFoundError,
    NoAnswerError,
    ServerError,
    ThrottledError,
)
from kaizen_batch.limits import EndpointChoice, RateLimiter, Reservation, UpstreamLimits
from kaizen_batch.providers import Completion

logger: logging.Logger = logging.getLogger(__name__)

_OF_THE_ENDPOINT = (AuthenticationError, ModelNotFoundError, ServerError, NoAnswerError, ThrottledError)


class Replicas(Upstream):
    """One queue in front of all endpoints; each learns from its own calls.

    Invariants: the run goes on while one endpoint is left; an endpoint that only fails is probed once a minute and
    taken back when it answers; one that refuses every call (a wrong key, a wrong path) is taken out for the run.
    """

    def __init__(self, agent: Agent, config: RunConfig, run_limits: RunLimits, *, is_fallback: bool = False) -> None:
        self._choice: EndpointChoice = _choice_of(agent)
        with agent.upstream_limits.lock:
            self._choice.out.clear()  # a new run tries all
        self.members: Sequence[Upstream] = ()
        super().__init__(agent, config, run_limits, is_fallback=is_fallback)
        self.may_probe = False
        self.members = [self._member(number, config) for number in range(len(agent.replicas))]
        self._rates: tuple[RateLimiter, ...] = (
            *self._rates,
            *(member.limits.rate for member in self.members),
        )
        self.sized: bool = self._is_sized()

    def _member(self, number: int, config: RunConfig) -> Upstream:
        replica, limits = self.agent.replicas[number], self.limits.members[number]
        replica.upstream_limits = limits  # those of earlier runs, if the agents were made again
        slots = RunLimits(limits, RunConfig() if replica.config is None else replica.config, None)
        return Upstream(replica, config, slots, is_fallback=self.is_fallback)

    def at(self, reservation: Reservation) -> Upstream:
        """The endpoint that a call went to."""
        return self.members[reservation.endpoint]

    def reservation(self, request: object, body: bytes | None, last: Reservation | None) -> Reservation:
        """What a call can take at most; it does not go to the endpoint of the call before."""
        reservation = super().reservation(request, body, last)
        if last is not None:
            reservation.endpoint = last.endpoint
        return reservation

    def answered(self, reservation: Reservation, completion: Completion, now: float) -> float | None:
        """Book an answer; its cost in USD, or None if it cannot be known."""
        member = self.at(reservation)
        cost = member.answered(reservation, completion, now)
        if member.sized and not self.sized:
            self.sized = True
        return cost

    def failed(self, reservation: Reservation, error: KaizenBatchError, index: int, now: float) -> float:
        """Book a call that ended without an answer; seconds of the pause that this starts, 0.0 if none.

        Raises: EndpointDownError when all endpoints have failed for too long.
        """
        member = self.at(reservation)
        pause_s = member.failed(reservation, error, index, now)
        if error.fatal and self._exclude(reservation.endpoint, error):
            error.fatal = False
        if not error.fatal and self.moves(reservation, error):
            error.retryable = True
        if all(limits.breaker.is_given_up for limits in self._choice.in_service()):
            raise EndpointDownError(
                f"all {len(self.members)} endpoints failed every call, the probes included; the last error: "
                f"{error.message}; run the same batch again when one is back: with a journal, only the missing items "
                "are asked"
            ) from error
        return pause_s

    @property
    def unreachable_since(self) -> float | None:
        """Since when all endpoints, none of which was ever reached, have been tried; else None."""
        since = [member.unreachable_since for member in self.members if member.error is None]
        known = [each for each in since if each is not None]
        return max(known) if known and len(known) == len(since) else None

    def moves(self, reservation: Reservation | None, error: KaizenBatchError) -> bool:
        """Whether the item can go to another endpoint at once, after a failure that is this endpoint's."""
        if reservation is None or not isinstance(error, _OF_THE_ENDPOINT):
            return False
        return self._choice.has_healthy_beside(reservation.endpoint)

    def pause(self, seconds: float, reservation: Reservation, now: float) -> None:
        """Let no call through to this endpoint for so long."""
        self.at(reservation).pause(seconds, reservation, now)

    def _exclude(self, number: int, error: KaizenBatchError) -> bool:
        """Send this endpoint no more calls; False if it is the last one."""
        with self.limits.lock:
            if not any(other != number and other not in self._choice.out for other in range(len(self.members))):
                return False
            self._choice.out.add(number)
        member = self.members[number]
        member.error = error
        logger.warning("the endpoint %s is taken out of this run: %s", member.endpoint, error.message)
        return True


def _choice_of(agent: Agent) -> EndpointChoice:
    own = [(replica.upstream_limits, replica.weight) for replica in agent.replicas]
    return agent.upstream_limits.serve_at(own)


def limits_with_endpoints(agent: Agent) -> UpstreamLimits:
    """The limits of an agent, with those of its endpoints if there are several."""
    if agent.replicas:
        _choice_of(agent)
    return agent.upstream_limits


def upstream_of(agent: Agent, config: RunConfig, run_limits: RunLimits, *, is_fallback: bool = False) -> Upstream:
    """The upstream of an agent, at one endpoint or at several."""
    kind = Replicas if agent.replicas else Upstream
    return kind(agent, config, run_limits, is_fallback=is_fallback)
