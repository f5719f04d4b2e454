"""Any of LiteLLM's models, through its SDK: one attempt for each call, with our retries, errors and prices.

LiteLLM would retry by itself, and retries of layers multiply: its own are off. Its exceptions carry the status, the
body and the headers of the response, so they become the errors that a response over HTTP becomes.
"""

import math
import os
from collections.abc import Iterable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Self

from kaizen_batch.config import BatchConfig
from kaizen_batch.config.requests import sent_headers
from kaizen_batch.errors import BadRequestError, ConfigError, NoAnswerError, ServerError
from kaizen_batch.prices import Price, price_of
from kaizen_batch.providers.base import Completion, Provider, Request, to_json
from kaizen_batch.providers.chat_requests import body_in, body_of
from kaizen_batch.providers.chat_responses import (
    HttpResponse,
    completion_from_body,
    json_of,
    rate_limit_headers,
)
from kaizen_batch.providers.dialects import Dialects
from kaizen_batch.providers.error_responses import error_from_response

_CONNECTION = ("Connection error", "Cannot connect", "Connection refused", "Name or service not known")
_MTOK = 1_000_000


class LiteLLMProvider(Provider):
    """One of LiteLLM's models: `BatchConfig(llm_provider="litellm", model="anthropic/claude-sonnet-4-5")`.

    - `api_key`: default: the environment variable that LiteLLM reads for the provider of the model.
    - `base_url`: for a server of your own; default: the provider's.
    - `timeout_s`: seconds for one call. `headers`: further headers.

    Raises: ConfigError if LiteLLM is not installed: `pip install "kaizen-batch[litellm]"`.
    """

    standard_body = True

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        timeout_s: float | None = 120.0,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._sdk = _litellm()
        own = dict(headers or {})
        self._base_url = base_url
        self._secret = "\n".join(filter(None, (api_key, *own.values())))
        self._options: dict[str, object] = {
            "api_key": api_key,
            "api_base": base_url,
            "timeout": timeout_s,
            "extra_headers": own or None,
            "num_retries": 0,
            "max_retries": 0,
        }
        self._dialects = Dialects()

    @classmethod
    def from_config(cls, config: BatchConfig) -> Self:
        """The provider for a BatchConfig; the key of the environment belongs to OpenAI, and is not passed on."""
        key = config.api_key.get_secret_value() if config.api_key and "api_key" in config.model_fields_set else None
        given = {
            "api_key": key,
            "base_url": config.url if "base_url" in config.model_fields_set else None,
            "timeout_s": config.timeout_s,
            "headers": sent_headers(config.headers),
        }
        return cls(**{**given, **config.provider_options})

    @property
    def endpoint(self) -> str:
        """The base URL, or the name of LiteLLM; the provider is in the name of the model."""
        return self._base_url or "litellm"

    def body(self, request: Request) -> bytes:
        """The request as JSON."""
        try:
            return body_of(request)
        except UnicodeEncodeError:
            return to_json([request.model, request.messages], "surrogatepass")

    async def complete(self, request: Request) -> Completion:
        """One call of LiteLLM's SDK."""
        try:
            dialect = self._dialects.of(request.model)
            sent = body_of(request) if dialect is None else body_in(dialect, request)
        except UnicodeEncodeError as error:
            raise BadRequestError(f"the prompt is not valid Unicode: {error.reason}", code="invalid_text") from None
        try:
            answer = await self._sdk.acompletion(**json_of(sent), **self._options)
        except Exception as error:
            raise self._failed(request, sent, error) from None
        headers = rate_limit_headers(_pairs(getattr(answer, "_response_headers", None)))
        return completion_from_body(answer.model_dump(), headers, self._secret)

    def _failed(self, request: Request, sent: bytes, error: Exception) -> Exception:
        """The error of ours for one of LiteLLM's."""
        status, text = getattr(error, "status_code", None), str(error)
        if isinstance(error, self._sdk.Timeout):
            return NoAnswerError("no response within the time limit", code="timeout")
        if isinstance(error, self._sdk.APIConnectionError) or any(each in text for each in _CONNECTION):
            return NoAnswerError("the connection failed", code="connection")
        if not isinstance(status, int):
            return ServerError(f"LiteLLM failed: {type(error).__name__}", code="server_error")
        inside = getattr(error, "body", None)
        about = inside if isinstance(inside, dict) else {"message": text.removeprefix("litellm."), "code": None}
        response = HttpResponse(status, _headers_of(error), to_json({"error": about}, "surrogatepass"))
        if status in (400, 422):
            try:
                self._dialects.learn(response, sent, request, self._secret)
            except BadRequestError as learned:
                return learned
        return error_from_response(status, {"error": about}, response.headers, secret=self._secret)

    def schema_ignored(self, model: str) -> bool:
        """Put the schema into the prompt, if it is not there already."""
        return self._dialects.schema_ignored(model)

    def price(self, model: str) -> Price | None:
        """The price in our list, if the model is OpenAI's; else the one in LiteLLM's."""
        return self.price_in(model, "standard")

    def price_in(self, model: str, mode: str) -> Price | None:
        """The same at a service tier."""
        provider, slash, name = model.partition("/")
        listed = price_of(name if slash else model, self._base_url, mode) if provider == "openai" or not slash else None
        if listed is not None or self._base_url is not None:
            return listed
        try:
            costs = self._sdk.get_model_info(model)
        except Exception:  # it raises plain ones for a model that it does not know
            return None
        return _price(costs, {"standard": "", "flex": "_flex", "priority": "_priority", "batch": "_batches"}.get(mode))


def _imported() -> ModuleType:
    # It takes seconds, and threads of its own import parts of it meanwhile. Python ends a deadlock of two imports with
    # an error.
    try:
        return import_module("litellm")
    except RuntimeError:
        return import_module("litellm")


def _litellm() -> ModuleType:
    # Without this, importing it fetches a price list, and the one that comes with it is not used.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    try:
        sdk = _imported()
    except ImportError as error:
        if error.name != "litellm":
            raise
        raise ConfigError('llm_provider="litellm" needs LiteLLM: pip install "kaizen-batch[litellm]"') from None
    for name, value in (("telemetry", False), ("suppress_debug_info", True)):
        setattr(sdk, name, value)
    return sdk


def _pairs(headers: object) -> Iterable[tuple[str, str]]:
    return ((str(name), str(value)) for name, value in getattr(headers, "items", tuple)())


def _headers_of(error: Exception) -> dict[str, str]:
    response = getattr(error, "response", None)
    return rate_limit_headers(_pairs(getattr(response, "headers", None)))


def _price(costs: Mapping[str, object], suffix: str | None) -> Price | None:
    """A price from LiteLLM's list, never too low: the dearest of all lengths of prompts; None if it has none."""
    if suffix is None:
        return None
    fresh = _dearest(costs, f"input_cost_per_token{suffix}", "cache_creation_input_token_cost")
    output = _dearest(costs, f"output_cost_per_token{suffix}")
    return None if fresh is None or output is None else Price(fresh, output)


def _dearest(costs: Mapping[str, object], *names: str) -> float | None:
    if not isinstance(costs.get(names[0]), int | float):
        return None
    found = [
        float(value)
        for name, value in costs.items()
        if isinstance(value, int | float) and (name in names or name.startswith(f"{names[0]}_above"))
    ]
    dearest = max(found) * _MTOK
    return round(dearest, 6) if math.isfinite(dearest) else None
