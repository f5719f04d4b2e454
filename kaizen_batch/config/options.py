"""The options of a run and of a model, as type checkers see them: a misspelled or mistyped one is an error there.

The values are those that the constructors accept, before the models check and convert them.
"""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Literal, Required, TypedDict

from pydantic import SecretStr

from kaizen_batch.config.batches import BatchSettings, BatchSettingsOptions, Mode
from kaizen_batch.config.endpoints import Endpoint
from kaizen_batch.limits.retries import RetryOptions, RetryPolicy
from kaizen_batch.prices import Price, PriceOptions


class EndpointLimits(TypedDict, total=False):
    """What belongs to one model at one endpoint."""

    requests_per_minute: int | None
    tokens_per_minute: int | None
    requests_per_second: int | None
    requests_per_day: int | None
    pacing: Literal["auto", "burst", "even"]
    rate_counts_from: Literal["auto", "sending", "answer"]
    price: Price | PriceOptions | None


class StrategyOptions(EndpointLimits, total=False):
    """The options of ParallelBatchStrategy: those of a run but `max_concurrent`, its first argument."""

    adaptive: bool
    journal: str | PathLike[str] | None
    budget_usd: float | None
    timeout_s: float | None
    deadline_s: float | None
    grace_s: float
    wait_for_endpoint_s: float
    hedge_after: float | None
    retry: RetryPolicy | RetryOptions
    max_reasks: int
    on_error: Literal["collect", "raise"]
    buffer_bytes: int
    window: int | None
    labels: Mapping[str, str]
    mode: Mode
    finish_by: str | float | None
    detach: bool
    batches: BatchSettings | BatchSettingsOptions


class RunOptions(StrategyOptions, total=False):
    """The options of RunConfig."""

    max_concurrent: int


class EndpointOptions(TypedDict, total=False):
    """One of several endpoints that serve a model; Endpoint describes them."""

    url: Required[str]
    weight: float
    max_concurrent: int | None
    requests_per_second: int | None
    requests_per_minute: int | None
    requests_per_day: int | None
    tokens_per_minute: int | None
    api_key_env: str | None


class ModelOptions(EndpointLimits, total=False):
    """Which model answers, where, and how it is asked."""

    llm_provider: str
    model: str
    temperature: float | Literal["none"] | None
    max_tokens: int | Literal["none"] | None
    base_url: str | Sequence[str | EndpointOptions | Endpoint] | None
    endpoint_name: str | None
    system_prompt: str | None
    parameters: Mapping[str, object] | None
    headers: Mapping[str, str | SecretStr] | None
    structured: Literal["auto", "strict", "json_object", "prompt"]
    on_truncated: Literal["keep", "fail"]
    on_empty: Literal["fail", "keep"]
    provider_options: Mapping[str, object]


class FallbackOptions(ModelOptions, total=False):
    """What a fallback changes; `api_key_env` names the environment variable that holds its key."""

    api_key_env: str


class BatchOptions(RunOptions, ModelOptions, total=False):
    """The options of BatchConfig."""

    api_key: str | SecretStr | None
    fallbacks: Sequence[str | FallbackOptions]
