"""RateLimits: ceilings that several agents keep together."""

from kaizen_batch.errors import ConfigError
from kaizen_batch.limits.concurrency import ConcurrencyLimiter
from kaizen_batch.limits.rate import RateLimiter
from kaizen_batch.limits.reservation import Limit


class RateLimits:
    """Ceilings for all runs of all agents and strategies that are given this object, such as those of one API key.

    >>> key = RateLimits(requests_per_minute=500, tokens_per_minute=200_000)
    >>> writer = BatchProcessorAgent(model="gpt-4o-mini", limits=key)
    >>> critic = BatchProcessorAgent(model="gpt-4o", limits=key)

    They hold in one process, on any event loop and thread, in addition to the agents' own limits. Raises: ConfigError.
    """

    def __init__(
        self,
        *,
        max_concurrent: int | None = None,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
    ) -> None:
        if max_concurrent is not None and max_concurrent < 1:
            raise ConfigError(f"max_concurrent={max_concurrent!r}: give 1 or more, or None for no limit")
        self.rate: RateLimiter = RateLimiter(
            requests_per_minute=requests_per_minute, tokens_per_minute=tokens_per_minute
        )
        slots = ConcurrencyLimiter(max_concurrent) if max_concurrent is not None else None
        windows = self.rate if self.rate.active else None
        if slots is None and windows is None:
            raise ConfigError("RateLimits needs max_concurrent, requests_per_minute or tokens_per_minute")
        self.limits: tuple[Limit, ...] = tuple(limit for limit in (windows, slots) if limit is not None)
