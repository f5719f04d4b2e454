"""The options of a run and of a model: frozen values, checked at once."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, Unpack, cast
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)

from kaizen_batch.config.messages import REDACTED, explain, redacted
from kaizen_batch.config.options import BatchOptions, RunOptions
from kaizen_batch.errors import ConfigError, did_you_mean
from kaizen_batch.limits.retries import RetryPolicy
from kaizen_batch.prices import Price


def _env_secret(name: str) -> SecretStr | None:
    value = os.environ.get(name)
    return SecretStr(value) if value else None


class _Options(BaseModel):
    """A frozen set of options; a wrong one raises ConfigError that names it."""

    # Built on first use: half of the time that `import kaizen_batch` would take.
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
            # `from None`: pydantic's own message and traceback may show the value of a key.
            raise ConfigError(explain(error, options, list(type(self).model_fields))) from None


class RunConfig(_Options):
    """How a batch is run, whatever the agent: limits, retries, time, money, the journal.

    >>> RunConfig(max_concurrent=20, requests_per_minute=500, journal="run.db").journal
    PosixPath('run.db')

    - `max_concurrent`: calls at once, for each run; with `adaptive` the ceiling, and throttles and the time for
      each output token find how many the endpoint bears.
    - `requests_per_minute`, `tokens_per_minute`: never more in any 60 s of the server's clock.
    - `journal`: a file that keeps what was answered and paid. The same batch with the same journal goes on where
      an earlier run ended; identical items share one call.
    - `budget_usd`: a hard cap on what the run, with a journal all runs on it, can cost; `price`: a Price or a dict
      (`input`, `output`, `cached`: USD for a million tokens), for a model that the price list does not know.
    - `timeout_s`: seconds for one call. `deadline_s`: seconds for the batch; what is not done then is
      `not_attempted`. `grace_s`: how long calls in flight may go on when a run ends early.
    - `hedge_after`: a quantile such as 0.95: a call that lasts longer than so many of the others is made a second
      time, and the first answer counts. Off by default, since it is paid.
    - `retry`: a RetryPolicy or a dict of its options. `max_reasks`: how often an answer that does not fit the
      signature is asked again.
    - `on_error`: `"collect"` makes a failed item a result with an error, `"raise"` ends the run with BatchError.
    - `window`: results at most held back for order or a slow reader (default: 16 times `max_concurrent`, at
      least 256).
    - `labels`: names and texts of your own that the journal keeps with the run, such as the command that began it.

    Raises: ConfigError that names the option, what was given and what is allowed.
    """

    max_concurrent: int = Field(default=10, ge=1, le=100_000)
    adaptive: bool = False
    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1)
    journal: Path | None = None
    budget_usd: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    price: Price | None = None
    timeout_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    deadline_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    grace_s: float = Field(default=10.0, ge=0, allow_inf_nan=False)
    hedge_after: float | None = Field(default=None, gt=0, lt=1)
    retry: RetryPolicy = Field(default_factory=RetryPolicy)
    max_reasks: int = Field(default=1, ge=0, le=20)
    on_error: Literal["collect", "raise"] = "collect"
    window: int | None = Field(default=None, ge=1)
    labels: dict[str, str] = Field(default_factory=dict)

    if TYPE_CHECKING:  # the constructor is that of _Options; its options are typed here

        def __init__(self, **options: Unpack[RunOptions]) -> None: ...


_NOT_FOR_FALLBACKS = frozenset(RunConfig.model_fields) - {"requests_per_minute", "tokens_per_minute", "price"} | {
    "api_key",
    "fallbacks",
}
_SECRET_OPTIONS = frozenset({"api_key", "base_url", "token", "password", "auth", "secret"})


class BatchConfig(RunConfig):
    """Which model to ask, how, and how many calls at once.

    >>> config = BatchConfig(model="gpt-4o-mini", max_concurrent=20)
    >>> config.temperature
    0.1

    Frozen; every option is checked here. Those of RunConfig, and:

    - `llm_provider`: `"openai"` (any compatible endpoint), `"mock"`, a name given to `register_provider`, or an
      import path `"package.module:Provider"`; `provider_options` go to the provider's constructor.
    - `model`, `temperature` (0 to 2, None leaves it to the endpoint), `max_tokens` (tokens of an answer, None
      likewise), `system_prompt`.
    - `on_truncated`: what becomes of a text that `max_tokens` cut off: `"keep"` counts it as truncated, `"fail"`
      fails the item. An answer with a schema always fails, since it cannot be read.
    - `on_empty`: what becomes of an answer without any text: `"fail"` (it may be re-asked) or `"keep"`.
    - `api_key` (default: OPENAI_API_KEY) is in no repr, log, dump, error or serialised workflow; `base_url`
      (default: OPENAI_BASE_URL) is the endpoint up to and with `/v1`.
    - `fallbacks`: other models or endpoints, tried in order for items that the first one cannot serve: a model's
      name, or a dict of the options that differ. Another endpoint's key is read from the environment variable
      named by `api_key_env`; without it no key is sent there.

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
    base_url: str | None = Field(
        default_factory=lambda: os.environ.get("OPENAI_BASE_URL") or None, validate_default=True
    )
    system_prompt: str | None = None
    on_truncated: Literal["keep", "fail"] = "keep"
    on_empty: Literal["fail", "keep"] = "fail"
    fallbacks: tuple[str | dict[str, object], ...] = ()
    provider_options: dict[str, Any] = Field(default_factory=dict, repr=False)

    if TYPE_CHECKING:  # the constructor is that of _Options; its options are typed here

        def __init__(self, **options: Unpack[BatchOptions]) -> None: ...

    @field_validator("base_url")
    @classmethod
    def _a_plain_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be a URL such as https://api.openai.com/v1")
        if parts.username or parts.password:
            raise ValueError("must not carry a user name or password; pass the key as api_key")
        if parts.query or parts.fragment:
            raise ValueError("must not carry a query")
        return url.rstrip("/")

    @field_validator("api_key")
    @classmethod
    def _a_key_that_fits_a_header(cls, key: SecretStr | None) -> SecretStr | None:
        text = key.get_secret_value().strip() if key else ""
        if not all("!" <= sign <= "~" for sign in text):
            raise ValueError("must be plain ASCII without spaces or line breaks")
        return SecretStr(text) if text else None

    @field_validator("provider_options")
    @classmethod
    def _no_secret_options(cls, options: dict[str, object]) -> dict[str, object]:
        secret = sorted(_SECRET_OPTIONS & options.keys())
        if secret:
            raise ValueError(
                f"must not hold {secret[0]!r}, since it stands in a serialised workflow: use the options api_key and "
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
        """A copy with some options changed, checked like a new one."""
        # What was left to its default stays so; the key is carried over whatever the environment says by now.
        current = {name: getattr(self, name) for name in (*self.model_fields_set, "api_key")}
        return type(self)(**cast(BatchOptions, {**current, **options}))

    def fallback_configs(self) -> "list[BatchConfig]":
        """The config of each fallback, in order: this one with the options that differ."""
        return [self._fallback(fallback) for fallback in self.fallbacks]

    def _fallback(self, fallback: str | dict[str, object]) -> "BatchConfig":
        options: dict[str, object] = {"model": fallback} if isinstance(fallback, str) else dict(fallback)
        variable = options.pop("api_key_env", None)
        if variable is not None:
            options["api_key"] = os.environ.get(str(variable))
        elif options.get("base_url", self.base_url) != self.base_url:
            options["api_key"] = None  # one endpoint's key is none of another's business
        # Limits and price belong to one model at one endpoint; what is not said of this one is not known.
        own = dict.fromkeys(("requests_per_minute", "tokens_per_minute", "price"))
        return self.with_options(**cast(BatchOptions, {**own, **options, "fallbacks": ()}))


def _check_fallback(options: dict[str, object]) -> None:
    if "api_key" in options:
        raise ValueError("must not hold 'api_key': name an environment variable that holds it as 'api_key_env'")
    if not isinstance(options.get("api_key_env"), str | None):
        raise ValueError("must hold 'api_key_env' as a text: the name of an environment variable")
    known = [*(name for name in BatchConfig.model_fields if name not in _NOT_FOR_FALLBACKS), "api_key_env"]
    for name in options:
        if name not in known:
            raise ValueError(
                f"hold an unknown option {name!r}: {did_you_mean(name, known)}allowed are {', '.join(known)}"
            )
