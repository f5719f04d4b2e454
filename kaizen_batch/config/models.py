"""The options of a model, its endpoints and fallbacks, besides those of a run."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack, cast

from pydantic import (
    Field,
    SecretStr,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_validator,
)

from kaizen_batch.config.endpoints import BaseUrl, checked_base_url, first_url
from kaizen_batch.config.messages import REDACTED
from kaizen_batch.config.options import BatchOptions
from kaizen_batch.config.requests import checked_headers, checked_parameters, none_if_left_out, stored_headers
from kaizen_batch.config.runs import RunConfig
from kaizen_batch.errors import ConfigError, did_you_mean
from kaizen_batch.prices import Price


def _env_secret(name: str) -> SecretStr | None:
    value = os.environ.get(name)
    return SecretStr(value) if value else None


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
