"""The limits of one run, where they are lower than those of its agent."""

from kaizen_batch.config import RunConfig
from kaizen_batch.limits import (
    AdaptiveConcurrencyLimiter,
    Budget,
    ConcurrencyLimiter,
    Limit,
    RateLimiter,
    RateLimits,
    UpstreamLimits,
)


class RunLimits:
    """What bounds the calls of one run, to all of its endpoints together.

    `slots` bound the calls at once: the agent's, which all of its runs share, the run's own, or both. A limit that is
    not lower than the agent's is left out, since the agent's holds anyway. `rate` bounds the calls to the first
    endpoint, `budget` what all calls cost, `shared` is what other runs of the same strategy keep too.
    """

    def __init__(self, agent_limits: UpstreamLimits, config: RunConfig, shared: RateLimits | None) -> None:
        self.slots: tuple[ConcurrencyLimiter, ...] = _slots(agent_limits, config)
        self.rate: RateLimiter | None = _rate(agent_limits.rate, config)
        self.budget: Budget | None = Budget(config.budget_usd) if config.budget_usd is not None else None
        self.shared = shared
        self.max_concurrent: int = min(slots.max_concurrent for slots in self.slots)

    @property
    def limit(self) -> int:
        """How many calls may be under way now."""
        return min(slots.limit for slots in self.slots)

    @property
    def for_all(self) -> tuple[Limit, ...]:
        """The limits that every endpoint's queue obeys."""
        shared = self.shared.limits if self.shared is not None else ()
        return (*shared, *self.slots, *((self.budget,) if self.budget is not None else ()))


def _slots(agent_limits: UpstreamLimits, config: RunConfig) -> tuple[ConcurrencyLimiter, ...]:
    ceiling, wanted = agent_limits.slots, config.max_concurrent
    if ceiling is None or (wanted > ceiling.max_concurrent and not agent_limits.ceiling_is_explicit):
        return (AdaptiveConcurrencyLimiter(wanted) if config.adaptive else ConcurrencyLimiter(wanted),)
    if config.adaptive and not isinstance(ceiling, AdaptiveConcurrencyLimiter):
        return ceiling, AdaptiveConcurrencyLimiter(min(wanted, ceiling.max_concurrent))
    return (ceiling, ConcurrencyLimiter(wanted)) if wanted < ceiling.max_concurrent else (ceiling,)


def _rate(agent_rate: RateLimiter, config: RunConfig) -> RateLimiter | None:
    requests = _lower(config.requests_per_minute, agent_rate.requests_per_minute)
    tokens = _lower(config.tokens_per_minute, agent_rate.tokens_per_minute)
    if requests is None and tokens is None:
        return None
    return RateLimiter(requests_per_minute=requests, tokens_per_minute=tokens)


def _lower(wanted: int | None, ceiling: int | None) -> int | None:
    return wanted if wanted is not None and (ceiling is None or wanted < ceiling) else None
