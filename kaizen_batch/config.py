"""The options of a batch: one frozen value, checked at once."""

import os
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_core import ErrorDetails

from kaizen_batch.errors import ConfigError, did_you_mean
from kaizen_batch.retries import RetryPolicy

REDACTED = "***REDACTED***"
"""What Kailash puts in place of keys and endpoints when it serialises a workflow."""


def _env_secret(name: str) -> SecretStr | None:
    value = os.environ.get(name)
    return SecretStr(value) if value else None


_SECRET_OPTIONS = frozenset({"api_key", "base_url", "token", "password", "auth", "secret"})


class BatchConfig(BaseModel):
    """Which model to ask, how, and how many calls at once.

    >>> config = BatchConfig(model="gpt-4o-mini", max_concurrent=20)
    >>> config.temperature
    0.1

    Frozen; every option is checked here, and a wrong one raises ConfigError that names it.

    - `llm_provider`: `"openai"` (any compatible endpoint), `"mock"`, a name given to `register_provider`, or an
      import path `"package.module:Provider"`; `provider_options` go to the provider's constructor.
    - `model`, `temperature` (0 to 2, None leaves it to the endpoint), `max_tokens` (tokens of an answer, None
      likewise), `system_prompt`.
    - `max_concurrent`: calls at once, for each run.
    - `api_key` (default: OPENAI_API_KEY) is in no repr, log, dump, error or serialised workflow; `base_url`
      (default: OPENAI_BASE_URL) is the endpoint up to and with `/v1`.
    - `timeout_s`: seconds for one call. `retry`: a RetryPolicy or a dict of its options. `max_reasks`: how often
      an answer that does not fit the signature is asked again.
    - `on_error`: `"collect"` makes a failed item a result with an error, `"raise"` ends the run with BatchError.
    - `window`: results at most held back for order or a slow reader (default: 16 times `max_concurrent`, at
      least 256).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    llm_provider: str = Field(default="openai", min_length=1)
    model: str = Field(default="gpt-3.5-turbo", min_length=1)
    temperature: float | None = Field(default=0.1, ge=0, le=2)
    max_tokens: int | None = Field(default=200, ge=1)
    max_concurrent: int = Field(default=10, ge=1, le=100_000)

    api_key: SecretStr | None = Field(
        default_factory=lambda: _env_secret("OPENAI_API_KEY"), repr=False, exclude=True, validate_default=True
    )
    base_url: str | None = Field(
        default_factory=lambda: os.environ.get("OPENAI_BASE_URL") or None, validate_default=True
    )
    timeout_s: float = Field(default=120.0, gt=0, allow_inf_nan=False)
    system_prompt: str | None = None
    on_error: Literal["collect", "raise"] = "collect"
    max_reasks: int = Field(default=1, ge=0, le=20)
    retry: RetryPolicy = Field(default_factory=RetryPolicy)
    window: int | None = Field(default=None, ge=1)
    provider_options: dict[str, Any] = Field(default_factory=dict, repr=False)

    if not TYPE_CHECKING:  # type checkers see the constructor that pydantic derives from the fields

        def __init__(self, **options: Any) -> None:
            for name, value in options.items():
                if value == REDACTED:
                    raise ConfigError(_redacted(name))
            try:
                super().__init__(**options)
            except ValidationError as error:
                # `from None`: pydantic's own message and traceback may show the value of a key.
                raise ConfigError(_explain(error, options)) from None

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
    def _no_secret_options(cls, options: dict[str, Any]) -> dict[str, Any]:
        secret = sorted(_SECRET_OPTIONS & options.keys())
        if secret:
            raise ValueError(
                f"must not hold {secret[0]!r}, since it stands in a serialised workflow: use the options api_key and "
                "base_url, or read a secret of your own provider from the environment"
            )
        return options

    def with_options(self, **options: Any) -> Self:
        """A copy with some options changed, checked like a new one."""
        # What was left to its default stays so; the key is carried over whatever the environment says by now.
        current = {name: getattr(self, name) for name in (*self.model_fields_set, "api_key")}
        return type(self)(**{**current, **options})


def _explain(error: ValidationError, options: dict[str, Any]) -> str:
    problems = [_explain_one(details, options) for details in error.errors(include_url=False, include_input=False)]
    return "; ".join(dict.fromkeys(problems))


def _explain_one(details: ErrorDetails, options: dict[str, Any]) -> str:
    name = ".".join(str(part) for part in details["loc"])
    if details["type"] == "extra_forbidden":
        return _unknown_option(name)
    message = details["msg"].removeprefix("Value error, ")
    if name in ("api_key", "provider_options") or name.startswith("provider_options."):
        return f"option {name!r} is invalid: {message}"
    given = _shown(options, name) if name.partition(".")[0] in options else "the environment's"
    return f"option {name!r} is invalid: {message}; given: {given}"


def _shown(options: dict[str, Any], name: str) -> str:
    value: Any = options
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else getattr(value, part, None)
    if name == "base_url" and ("@" in str(value) or "?" in str(value)):
        return "(a URL that may hold a secret)"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _unknown_option(name: str) -> str:
    known = list(BatchConfig.model_fields)
    if name.startswith("retry."):
        known = [f"retry.{option}" for option in RetryPolicy.model_fields]
    return f"unknown option {name!r}: {did_you_mean(name, known)}allowed are {', '.join(known)}"


def _redacted(name: str) -> str:
    """What to say when a serialised workflow hands back Kailash's placeholder."""
    variable = {"api_key": "OPENAI_API_KEY", "base_url": "OPENAI_BASE_URL"}.get(name, name.upper())
    return (
        f"option {name!r} is {REDACTED!r}, the placeholder of a serialised workflow: "
        f"remove it there and set {variable} in the environment"
    )
