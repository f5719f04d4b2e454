"""The options of a run and of a model: frozen values, checked when they are created."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, Unpack, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_validator,
)

from kaizen_batch.config.batches import BatchSettings, Mode, finish_at
from kaizen_batch.config.endpoints import BaseUrl, checked_base_url, first_url
from kaizen_batch.config.messages import REDACTED, explain, redacted
from kaizen_batch.config.options import BatchOptions, RunOptions
from kaizen_batch.config.requests import checked_headers, checked_parameters, none_if_left_out, stored_headers
from kaizen_batch.errors import ConfigError, did_you_mean
from kaizen_batch.limits.rate import RateLimit, rate_limits
from kaizen_batch.limits.retries import RetryPolicy
from kaizen_batch.prices import Price


def _env_secret(name: str) -> SecretStr | None:
    value = os.environ.get(name)
    return SecretStr(value) if value else None


class _Options(BaseModel):
    """A frozen set of options; an invalid one raises a ConfigError that names it."""

    # Built on first use: it would be half of the import time of `kaizen_batch`.
    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True
    )

    def __init__(self, **options: object) -> None:
        for name, value in options.items():
            if value == REDACTED:
                raise ConfigError(redacted(name))
        try:
            super().__init__(**options)
        except ValidationError as error:
            # `from None`: pydantic's own message and traceback could show the value of a key.
            raise ConfigError(explain(error, options, list(type(self).model_fields))) from None


class RunConfig(_Options):
    """How a batch is run, for any agent: limits, retries, time, money, the journal.

    >>> RunConfig(max_concurrent=20, requests_per_minute=500, journal="run.db").journal
    PosixPath('run.db')

    - `max_concurrent`: calls in flight at once, per run. With `adaptive` it is the upper bound, and the run discovers
      how much concurrency the endpoint sustains.
    - `requests_per_minute`, `tokens_per_minute`, `requests_per_second`, `requests_per_day`: never exceeded in any
      such time of the server's clock. `pacing`: whether requests may come in bursts (`"burst"`), are spaced evenly
      (`"even"`), or as the server's refusals show (`"auto"`). `rate_counts_from`: when the server counts a call, at its
      `"sending"` or its `"answer"`; `"auto"` assumes neither until the server's headers tell.
    - `journal`: a file that records every call and answer. The same batch with the same journal resumes where an
      earlier run stopped; identical items share one call.
    - `budget_usd`: a hard cap on the cost of the run; with a journal, of all runs on it. `price`: a Price or a dict
      (`input`, `output`, `cached`: USD per million tokens), for models that are not in the price list.
    - `timeout_s`: seconds until one call times out. `deadline_s`: seconds for the whole batch; items that are not done
      by then are `not_attempted`. `grace_s`: seconds in-flight calls get to finish when a run ends early.
    - `wait_for_endpoint_s`: seconds to wait for an endpoint that has never accepted a connection, before the run ends.
    - `hedge_after`: a quantile such as 0.95: send a second (hedged) request when a call is slower than this quantile,
      and use the first answer. Off by default, because both calls are billed.
    - `retry`: a RetryPolicy or a dict of its options. `max_reasks`: how many times to re-ask when an answer does not
      fit the signature.
    - `on_error`: `"collect"` turns a failed item into a result with an error, `"raise"` ends the run with BatchError.
    - `buffer_bytes`: memory for results, and input rows of a file, that wait for an earlier item or for a slow
      consumer. Beyond it, with a journal, what waits for an earlier item goes to the disk, else the run pauses.
    - `window`: a bound on the number of items that are begun and not read, in addition (default: none while results
      wait for an earlier item; for a slow consumer 16 times `max_concurrent`, at least 256).
    - `mode`: `"live"`, `"flex"`, `"batch"` or `"auto"`, the cheapest that is done by `finish_by`, a span such as `"6h"`
      or a time. `detach`: return while batches are under way. `batches`: BatchSettings. See docs/batch.md.
    - `labels`: your own notes, which the journal keeps with the run.

    Raises: ConfigError that names the option, the value given and what is allowed.
    """

    max_concurrent: int = Field(default=10, ge=1, le=100_000)
    adaptive: bool = False
    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1)
    requests_per_second: int | None = Field(default=None, ge=1)
    requests_per_day: int | None = Field(default=None, ge=1)
    pacing: Literal["auto", "burst", "even"] = "auto"
    rate_counts_from: Literal["auto", "sending", "answer"] = "auto"
    journal: Path | None = None
    budget_usd: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    price: Price | None = None
    timeout_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    deadline_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    grace_s: float = Field(default=10.0, ge=0, allow_inf_nan=False)
    wait_for_endpoint_s: float = Field(default=8.0, ge=0, allow_inf_nan=False)
    hedge_after: float | None = Field(default=None, gt=0, lt=1)
    retry: RetryPolicy = Field(default_factory=RetryPolicy)
    max_reasks: int = Field(default=1, ge=0, le=20)
    on_error: Literal["collect", "raise"] = "collect"
    buffer_bytes: int = Field(default=64 * 2**20, ge=1)
    window: int | None = Field(default=None, ge=1)
    labels: dict[str, str] = Field(default_factory=dict)
    mode: Mode = "live"
    finish_by: str | float | None = None
    detach: bool = False
    batches: BatchSettings = Field(default_factory=BatchSettings)

    @field_validator("finish_by")
    @classmethod
    def _a_time(cls, when: str | float | None) -> str | float | None:
        if when is not None:
            finish_at(when, 0.0)
        return when

    if TYPE_CHECKING:  # the constructor is that of _Options; its options are typed here

        def __init__(self, **options: Unpack[RunOptions]) -> None: ...

    @property
    def rate_limits(self) -> list[RateLimit]:
        """The limits per second, minute and day that are set."""
        return rate_limits(
            requests_per_second=self.requests_per_second,
            requests_per_minute=self.requests_per_minute,
            requests_per_day=self.requests_per_day,
            tokens_per_minute=self.tokens_per_minute,
        )

    def with_mode(self, mode: Mode) -> "RunConfig":
        """The same options in another mode. Raises: ConfigError."""
        return RunConfig(mode=mode).over(self)

    def over(self, base: "RunConfig | None") -> "RunConfig":
        """The options of `base`, except for those that were set here.

        >>> RunConfig(timeout_s=5).over(BatchConfig(timeout_s=9, max_reasks=3)).max_reasks
        3
        """
        explicit = self.model_fields_set & RunConfig.model_fields.keys()
        values = {
            name: getattr(self if base is None or name in explicit else base, name) for name in RunConfig.model_fields
        }
        inherited = set() if base is None else base.model_fields_set & RunConfig.model_fields.keys()
        return RunConfig.model_construct(_fields_set=explicit | inherited, **values)


# What belongs to one model at one endpoint: a fallback does not inherit it and may set its own.
_LIMITS = ("requests_per_second", "requests_per_minute", "requests_per_day", "tokens_per_minute")
_OF_ONE_MODEL = (*_LIMITS, "price", "endpoint_name")
_OF_ONE_HOST = ("headers", "parameters")
_FOR_FALLBACKS = frozenset({*_LIMITS, "price", "pacing", "rate_counts_from"})
_NOT_FOR_FALLBACKS = frozenset(RunConfig.model_fields) - _FOR_FALLBACKS | {"api_key", "fallbacks"}
_SECRET_OPTIONS = frozenset({"api_key", "base_url", "token", "password", "auth", "secret"})


_BY_POSITION = ("llm_provider", "model", "temperature", "max_tokens", "max_concurrent")


def _named(values: tuple[object, ...], options: dict[str, object]) -> dict[str, object]:
    """Options with those that were given by position. Raises: ConfigError."""
    if len(values) > len(_BY_POSITION):
        raise ConfigError(f"BatchConfig takes {', '.join(_BY_POSITION)} by position; given: {len(values)} values")
    by_position = dict(zip(_BY_POSITION, values, strict=False))
    twice = by_position.keys() & options.keys()
    if twice:
        raise ConfigError(f"option {min(twice)!r} is given twice, by position and by name")
    return {**by_position, **options}


class BatchConfig(RunConfig):
    """Which model to call, and how; plus the options of RunConfig.

    >>> config = BatchConfig(model="gpt-4o-mini", max_concurrent=20)
    >>> config.temperature
    0.1

    `llm_provider`, `model`, `temperature`, `max_tokens` and `max_concurrent` can be given by position, in this order.
    In addition to the options of RunConfig:

    - `llm_provider`: `"openai"` (any compatible endpoint), `"mock"`, a name given to `register_provider`, or an
      import path `"package.module:Provider"`; `provider_options` are passed to the provider's constructor.
    - `model`, `temperature` (0 to 2; None leaves it to the endpoint), `max_tokens` (of an answer; None
      likewise), `system_prompt`.
    - `parameters`: any other fields of the request body, such as `{"reasoning_effort": "low", "seed": 7}`.
    - `headers`: further headers. A value `"${NAME}"` or `"Scheme ${NAME}"` names an environment variable; any other
      value is a secret, which no workflow, journal or log contains.
    - `structured`: how the schema of an answer is sent: in `"strict"` mode, with the mode `"json_object"` or in the
      `"prompt"` alone; `"auto"` begins with the strictest that the schema allows, and learns what the endpoint takes.
    - `on_truncated`: if `max_tokens` cuts off a text, `"keep"` returns it and counts it as truncated, `"fail"` fails
      the item. An answer with a schema always fails, because it cannot be parsed.
    - `on_empty`: an answer without any text fails the item (`"fail"`; it may be re-asked), or is returned (`"keep"`).
    - `api_key` (default: OPENAI_API_KEY) never appears in a repr, log, dump, error or serialized workflow; `base_url`
      (default: OPENAI_BASE_URL) is the address of the endpoint up to and including `/v1`. A list names several that
      serve the same model: URLs, or dicts of `url`, `weight` and limits of its own. Each call goes where most capacity
      is free.
    - `endpoint_name`: what a journal calls the endpoint (default: `base_url`). Several endpoints need one.
    - `fallbacks`: other models or endpoints, tried in order for items that the first one cannot serve: a model's
      name, or a dict of the options that differ. The key of another endpoint is read from the environment variable
      named by `api_key_env`; without it, no key is sent there.

    Raises: ConfigError that names the option, what was given and what is allowed.
    """

    llm_provider: str = Field(default="openai", min_length=1)
    model: str = Field(default="gpt-3.5-turbo", min_length=1)
    temperature: float | None = Field(default=0.1, ge=0, le=2)
    max_tokens: int | None = Field(default=200, ge=1)
    timeout_s: float | None = Field(default=120.0, gt=0, allow_inf_nan=False)

    api_key: SecretStr | None = Field(
        default_factory=lambda: _env_secret("OPENAI_API_KEY"), repr=False, exclude=True, validate_default=True
    )
    base_url: BaseUrl | None = Field(
        default_factory=lambda: os.environ.get("OPENAI_BASE_URL") or None, validate_default=True
    )
    endpoint_name: str | None = Field(default=None, min_length=1, validate_default=True)
    system_prompt: str | None = None
    parameters: dict[str, object] = Field(default_factory=dict)
    headers: dict[str, SecretStr] = Field(default_factory=dict, repr=False)
    structured: Literal["auto", "strict", "json_object", "prompt"] = "auto"
    on_truncated: Literal["keep", "fail"] = "keep"
    on_empty: Literal["fail", "keep"] = "fail"
    fallbacks: tuple[str | dict[str, object], ...] = ()
    provider_options: dict[str, Any] = Field(default_factory=dict, repr=False)

    if TYPE_CHECKING:

        def __init__(
            self,
            llm_provider: str = ...,
            model: str = ...,
            temperature: float | Literal["none"] | None = ...,
            max_tokens: int | Literal["none"] | None = ...,
            max_concurrent: int = ...,
            /,
            **options: Unpack[BatchOptions],
        ) -> None: ...

    else:

        def __init__(self, /, *values: object, **options: object) -> None:
            super().__init__(**_named(values, options))

    @field_validator("base_url", mode="before")
    @classmethod
    def _plain_urls(cls, given: object) -> BaseUrl | None:
        return checked_base_url(given)

    @field_validator("endpoint_name")
    @classmethod
    def _a_name_for_several(cls, name: str | None, info: ValidationInfo) -> str | None:
        base_url = info.data.get("base_url")
        if name is None and isinstance(base_url, tuple):
            raise ValueError(
                "must be set for several endpoints, since a journal keeps their answers under one name; "
                f"pass endpoint_name={base_url[0].url!r}, the first base_url, which keeps the answers of earlier runs "
                "with it alone, or any other name"
            )
        return name

    @field_validator("api_key")
    @classmethod
    def _a_key_that_fits_a_header(cls, key: SecretStr | None) -> SecretStr | None:
        text = key.get_secret_value().strip() if key else ""
        if not all("!" <= sign <= "~" for sign in text):
            raise ValueError("must be plain ASCII without spaces or line breaks")
        return SecretStr(text) if text else None

    @field_validator("temperature", "max_tokens", mode="before")
    @classmethod
    def _none_may_be_a_word(cls, value: object) -> object:
        return none_if_left_out(value)

    @field_validator("parameters", mode="before")
    @classmethod
    def _fields_of_a_body(cls, parameters: object) -> dict[str, object]:
        return checked_parameters(parameters)

    @field_validator("headers", mode="before")
    @classmethod
    def _headers_of_http(cls, headers: object) -> dict[str, SecretStr]:
        return checked_headers(headers)

    @field_serializer("headers")
    def _headers_without_secrets(self, headers: dict[str, SecretStr]) -> dict[str, str]:
        return stored_headers(headers)

    @field_validator("provider_options")
    @classmethod
    def _no_secret_options(cls, options: dict[str, object]) -> dict[str, object]:
        secret = sorted(_SECRET_OPTIONS & options.keys())
        if secret:
            raise ValueError(
                f"must not hold {secret[0]!r}, because a serialized workflow contains it: use the options api_key and "
                "base_url, or read a secret of your own provider from the environment"
            )
        return options

    @field_validator("price", mode="before")
    @classmethod
    def _a_price(cls, price: object) -> Price | None:
        return None if price is None else Price.of(price)

    @field_serializer("journal")
    def _journal_as_text(self, journal: Path | None) -> str | None:
        return None if journal is None else str(journal)

    @model_validator(mode="after")
    def _fallbacks_fit(self) -> Self:
        self.fallback_configs()
        return self

    @field_validator("fallbacks")
    @classmethod
    def _fallbacks_without_secrets(
        cls, fallbacks: tuple[str | dict[str, object], ...]
    ) -> tuple[str | dict[str, object], ...]:
        for fallback in fallbacks:
            if isinstance(fallback, dict):
                _check_fallback(fallback)
        return fallbacks

    def with_options(self, **options: Unpack[BatchOptions]) -> Self:
        """A copy with some options changed, checked like a new config."""
        # Defaults stay defaults; the key is carried over even if the environment has changed.
        current = {name: getattr(self, name) for name in (*self.model_fields_set, "api_key")}
        return type(self)(**cast(BatchOptions, {**current, **options}))

    @property
    def url(self) -> str | None:
        """The base URL; of several endpoints, the first."""
        return first_url(self.base_url)

    def endpoint_configs(self) -> "list[BatchConfig]":
        """The config of each of several endpoints: this config, with the limits of that endpoint alone."""
        endpoints = self.base_url if isinstance(self.base_url, tuple) else ()
        common = {"budget_usd": None, "fallbacks": ()}
        return [self.with_options(**cast(BatchOptions, {**common, **each.options()})) for each in endpoints]

    def fallback_configs(self) -> "list[BatchConfig]":
        """The config of each fallback, in order: this config with the options that differ."""
        return [self._fallback(fallback) for fallback in self.fallbacks]

    def _fallback(self, fallback: str | dict[str, object]) -> "BatchConfig":
        options: dict[str, object] = {"model": fallback} if isinstance(fallback, str) else dict(fallback)
        variable = options.pop("api_key_env", None)
        own: dict[str, object] = dict.fromkeys(_OF_ONE_MODEL)
        # Never send one endpoint's key and headers to another.
        elsewhere = options.get("base_url", self.base_url) != self.base_url
        if elsewhere or options.get("llm_provider", self.llm_provider) != self.llm_provider:
            own.update(dict.fromkeys(_OF_ONE_HOST))
        if variable is not None:
            options["api_key"] = os.environ.get(str(variable))
        elif elsewhere:
            options["api_key"] = None
        if "base_url" not in options and isinstance(self.base_url, tuple):
            own["endpoint_name"] = self.endpoint_name  # the same several endpoints
        return self.with_options(**cast(BatchOptions, {**own, **options, "fallbacks": ()}))


def _check_fallback(options: dict[str, object]) -> None:
    if "api_key" in options:
        raise ValueError("must not hold 'api_key': name an environment variable that holds it as 'api_key_env'")
    if not isinstance(options.get("api_key_env"), str | None):
        raise ValueError("must hold 'api_key_env' as a text: the name of an environment variable")
    if REDACTED in stored_headers(checked_headers(options.get("headers"))).values():
        raise ValueError('must not hold a literal header: name an environment variable that has it, as "${NAME}"')
    known = [*(name for name in BatchConfig.model_fields if name not in _NOT_FOR_FALLBACKS), "api_key_env"]
    for name in options:
        if name not in known:
            raise ValueError(
                f"hold an unknown option {name!r}: {did_you_mean(name, known)}allowed are {', '.join(known)}"
            )
