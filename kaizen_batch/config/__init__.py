"""The options of a run and of a model: frozen values, checked when they are made."""

from kaizen_batch.config.batches import BatchSettings, BatchSettingsOptions, Mode, finish_at
from kaizen_batch.config.endpoints import Endpoint
from kaizen_batch.config.messages import REDACTED
from kaizen_batch.config.models import BatchConfig
from kaizen_batch.config.options import (
    BatchOptions,
    EndpointLimits,
    EndpointOptions,
    FallbackOptions,
    ModelOptions,
    RunOptions,
    StrategyOptions,
)
from kaizen_batch.config.runs import RunConfig

__all__ = [
    "REDACTED",
    "BatchConfig",
    "BatchOptions",
    "BatchSettings",
    "BatchSettingsOptions",
    "Endpoint",
    "EndpointLimits",
    "EndpointOptions",
    "FallbackOptions",
    "Mode",
    "ModelOptions",
    "RunConfig",
    "RunOptions",
    "StrategyOptions",
    "finish_at",
]
