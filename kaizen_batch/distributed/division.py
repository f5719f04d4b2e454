"""The limits and the budget of a job, divided among shards that do not know of each other."""

from typing import Any, TypeVar

from kaizen_batch.config import RunConfig
from kaizen_batch.config.endpoints import Endpoint
from kaizen_batch.distributed.scheduling import Shard
from kaizen_batch.errors import ConfigError

_LIMITS = ("max_concurrent", "requests_per_second", "requests_per_minute", "requests_per_day", "tokens_per_minute")

_Config = TypeVar("_Config", bound=RunConfig)


def divided(config: _Config, shard: Shard) -> _Config:
    """The config of one shard: its part of each limit that is set; all parts add up to the whole.

    Raises: ConfigError for a limit of which a shard would get nothing.
    """
    parts: dict[str, Any] = _parts(config, shard)
    if config.budget_usd is not None:
        parts["budget_usd"] = config.budget_usd / shard.count
    endpoints = getattr(config, "base_url", None)
    if isinstance(endpoints, tuple):
        parts["base_url"] = tuple(each.model_copy(update=_parts(each, shard)) for each in endpoints)
    return config.model_copy(update=parts)


def _parts(limits: RunConfig | Endpoint, shard: Shard) -> dict[str, int]:
    set_here = ((name, getattr(limits, name)) for name in _LIMITS)
    return {name: _part(name, value, shard) for name, value in set_here if value is not None}


def _part(name: str, value: int, shard: Shard) -> int:
    if value < shard.count:
        raise ConfigError(
            f"{name}={value} cannot be divided among {shard.count} shards, each of which needs 1: set {name} to "
            f"{shard.count} or more, use fewer shards, or an executor that leases limits"
        )
    return value // shard.count + (shard.number <= value % shard.count)
