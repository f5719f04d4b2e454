"""RateLimits: ceilings that several agents keep together."""

from collections.abc import Iterable

from kaizen_batch.errors import ConfigError
from kaizen_batch.limits.budget import Budget
from kaizen_batch.limits.concurrency import ConcurrencyLimiter
from kaizen_batch.limits.pacing import Pacing
from kaizen_batch.limits.rate import CountsFrom, RateLimit, RateLimiter, rate_limits
from kaizen_batch.limits.reservation import Limit


class RateLimits:
    """Ceilings for all runs of all agents and strategies that are given this object, such as those of one API key.

    >>> key = RateLimits(requests_per_minute=500, tokens_per_minute=200_000)
    >>> writer = BatchProcessorAgent(model="gpt-4o-mini", limits=key)
    >>> critic = BatchProcessorAgent(model="gpt-4o", limits=key)

    `windows` are further limits of any period, such as `RateLimit("requests", 50, period_s=10.0)`. All hold in one
    process, on any event loop and thread, in addition to the agents' own limits. Raises: ConfigError.
    """

    def __init__(
        self,
        *,
        max_concurrent: int | None = None,
        requests_per_second: int | None = None,
        requests_per_minute: int | None = None,
        requests_per_day: int | None = None,
        tokens_per_minute: int | None = None,
        windows: Iterable[RateLimit] = (),
        pacing: Pacing = "auto",
        counts_from: CountsFrom = "auto",
    ) -> None:
        if max_concurrent is not None and max_concurrent < 1:
            raise ConfigError(f"max_concurrent={max_concurrent!r}: give 1 or more, or None for no limit")
        named = rate_limits(
            requests_per_second=requests_per_second,
            requests_per_minute=requests_per_minute,
            requests_per_day=requests_per_day,
            tokens_per_minute=tokens_per_minute,
        )
        self.rate: RateLimiter = RateLimiter([*named, *windows], pacing=pacing, counts_from=counts_from)
        slots = ConcurrencyLimiter(max_concurrent) if max_concurrent is not None else None
        rate = self.rate if self.rate.limits else None
        if slots is None and rate is None:
            raise ConfigError(
                "RateLimits needs a limit: max_concurrent, requests_per_minute, ... or windows=[RateLimit(...)]"
            )
        self.limits: tuple[Limit, ...] = tuple(limit for limit in (rate, slots) if limit is not None)
        self.budget: Budget | None = None
