"""The limits of one run, where they are lower than those of its agent."""

from kaizen_batch.config import RunConfig
from kaizen_batch.limits import (
    AdaptiveConcurrencyLimiter,
    Budget,
    ConcurrencyLimiter,
    Limit,
    RateLimit,
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
        leased = shared.budget if shared is not None else None
        self.budget: Budget | None = Budget(config.budget_usd) if config.budget_usd is not None else leased
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
    adapts = config.adaptive and agent_limits.endpoints is None  # of several endpoints, each adapts by itself
    if ceiling is None or (wanted > ceiling.max_concurrent and not agent_limits.ceiling_is_explicit):
        return (AdaptiveConcurrencyLimiter(wanted) if adapts else ConcurrencyLimiter(wanted),)
    if adapts and not isinstance(ceiling, AdaptiveConcurrencyLimiter):
        return ceiling, AdaptiveConcurrencyLimiter(min(wanted, ceiling.max_concurrent))
    return (ceiling, ConcurrencyLimiter(wanted)) if wanted < ceiling.max_concurrent else (ceiling,)


def _rate(agent_rate: RateLimiter, config: RunConfig) -> RateLimiter | None:
    """The limits of the run that are lower than the agent's."""
    lower = [limit for limit in config.rate_limits if _is_lower(limit, agent_rate)]
    return RateLimiter(lower, pacing=config.pacing, counts_from=config.rate_counts_from) if lower else None


def _is_lower(limit: RateLimit, agent_rate: RateLimiter) -> bool:
    ceiling = agent_rate.limit_of(limit.quantity, limit.period_s)
    return ceiling is None or limit.limit < ceiling
