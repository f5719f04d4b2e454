"""The provider for OpenAI and every compatible endpoint, over the official SDK."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import re
import threading
from collections.abc import AsyncIterator, Container
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakKeyDictionary

from kaizen_batch.config import BatchConfig
from kaizen_batch.errors import AdaptedError, BadRequestError, ConfigError, NoAnswerError, ProviderError
from kaizen_batch.prices import Price, price_of
from kaizen_batch.providers.base import Completion, Provider, Request
from kaizen_batch.providers.responses import (
    bad_answer,
    completion_from_body,
    error_from_response,
    refused_parameter,
)

if TYPE_CHECKING:
    import openai

logger = logging.getLogger(__name__)

# These refuse `max_tokens`, and a temperature other than their default, with a 400; knowing it saves a first
# wave of refused calls. Any other model that refuses them is learned from its first answer.
_REASONING_MODEL = re.compile(r"^(o\d|gpt-5(?!.*chat))")

_CONNECT_TIMEOUT_S = 10.0
_OPENAI = "https://api.openai.com/v1"


@dataclass(slots=True)
class _Client:
    """A client of one running loop, and the runs that share it."""

    sdk: openai.AsyncOpenAI
    runs: int = 0


class OpenAIProvider(Provider):
    """Chat completions of OpenAI, or of any endpoint that speaks its language.

    >>> provider = OpenAIProvider(api_key="sk-...", base_url="http://127.0.0.1:8000/v1", max_concurrent=50)

    `timeout_s` are the seconds of one call, `max_concurrent` the connections kept open at most. Each running
    loop has a client of its own, shared by the runs on it and closed with the last of them.

    Raises: ConfigError without a key, unless `base_url` names a server of one's own, many of which want none.
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        timeout_s: float | None = 120.0,
        max_concurrent: int = 10,
    ) -> None:
        if not api_key and base_url is None:
            raise ConfigError(
                "no API key: set OPENAI_API_KEY, or pass api_key=...; base_url=... for a server of your own; "
                'or try llm_provider="mock", which needs neither'
            )
        self._api_key = api_key or "none"
        self._base_url = base_url
        self._timeout_s = timeout_s
        self._max_concurrent = max_concurrent
        self._refused: set[tuple[str, str]] = set()
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, _Client] = WeakKeyDictionary()
        self._lock = threading.Lock()

    @classmethod
    def from_config(cls, config: BatchConfig) -> Self:
        """The provider of a BatchConfig; `provider_options` win over its own options."""
        return cls(
            **{
                "api_key": config.api_key.get_secret_value() if config.api_key else None,
                "base_url": config.base_url,
                "timeout_s": config.timeout_s,
                "max_concurrent": config.max_concurrent,
                **config.provider_options,
            }
        )

    @asynccontextmanager
    async def session(self) -> AsyncIterator[None]:
        """Hold this loop's client open; the last run on the loop closes it."""
        loop = asyncio.get_running_loop()
        with self._lock:
            client = self._clients.get(loop)
            if client is None:
                client = self._clients[loop] = _Client(self._new_client())
            client.runs += 1
        try:
            yield
        finally:
            with self._lock:
                client.runs -= 1
                last = client.runs == 0
                if last:
                    del self._clients[loop]
            if last:
                await client.sdk.close()

    async def complete(self, request: Request) -> Completion:
        """One POST to `/chat/completions`; the SDK's own retries are off."""
        client = self._clients.get(asyncio.get_running_loop())
        if client is None:
            async with self.session():
                return await self.complete(request)
        return await self._post(client.sdk, request)

    @property
    def endpoint(self) -> str:
        """The base URL."""
        return self._base_url or _OPENAI

    def body(self, request: Request) -> bytes:
        """The JSON that goes over the wire, byte for byte, unless the model has refused a parameter in it.

        What was learned from refusals is left out, so that the key of a request is the same in every run.
        """
        return _dumps(_payload(request, frozenset()))

    def price(self, model: str) -> Price | None:
        """The list price."""
        return price_of(model, self._base_url)

    async def _post(self, sdk: openai.AsyncOpenAI, request: Request) -> Completion:
        import openai

        body = _payload(request, self._refused)
        try:
            response = await sdk.chat.completions.with_raw_response.create(**body)
        except openai.APIStatusError as error:
            raise self._refusal(error, body) from None
        except openai.APITimeoutError:
            raise NoAnswerError(f"no answer within {self._timeout_s or 0:g} s", code="timeout") from None
        except openai.APIConnectionError as error:
            cause = type(error.__cause__).__name__ if error.__cause__ else "unknown cause"
            raise NoAnswerError(f"the connection to {sdk.base_url.host} failed: {cause}", code="connection") from None
        except UnicodeEncodeError as error:
            raise BadRequestError(f"the prompt is no valid text: {error.reason}", code="invalid_text") from None
        try:
            answer = response.http_response.json()
        except ValueError:
            raise bad_answer(response.text) from None
        return completion_from_body(answer, response.headers)

    def _refusal(self, error: openai.APIStatusError, body: dict[str, Any]) -> ProviderError:
        headers = {name.lower(): value for name, value in error.response.headers.items()}
        parameter = refused_parameter(error.body)
        if parameter in ("max_tokens", "temperature") and parameter in body:
            self._learn(body["model"], parameter)
            return AdaptedError(f"the model refused {parameter!r}", status=error.status_code)
        ours = error_from_response(error.status_code, error.body, headers)
        # An endpoint may quote the key that it refuses.
        ours.message = ours.message.replace(self._api_key, "***") if self._api_key != "none" else ours.message
        ours.args = (ours.message,)
        return ours

    def _learn(self, model: str, parameter: str) -> None:
        if (model, parameter) not in self._refused:
            self._refused.add((model, parameter))
            logger.info("model %s refuses %s: it is not sent any more", model, parameter)

    def _new_client(self) -> openai.AsyncOpenAI:
        import openai

        # The SDK keeps 100 connections alive whatever is in flight: above that it would open a new one for
        # nearly every call. The type is taken from the SDK because its HTTP library is its own affair.
        limits = type(openai.DEFAULT_CONNECTION_LIMITS)
        size = self._max_concurrent
        return openai.AsyncOpenAI(
            api_key=self._api_key,
            base_url=self._base_url,
            max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(
                limits=limits(max_connections=size, max_keepalive_connections=size),
                timeout=openai.Timeout(self._timeout_s, connect=min(_CONNECT_TIMEOUT_S, self._timeout_s or math.inf)),
            ),
        )


def _payload(request: Request, refused: Container[tuple[str, str]]) -> dict[str, Any]:
    """The JSON object of a request, without the parameters that its model is known to refuse."""

    def takes(parameter: str) -> bool:
        return (request.model, parameter) not in refused and not _REASONING_MODEL.match(request.model)

    body: dict[str, Any] = {"model": request.model, "messages": request.messages}
    if request.temperature is not None and takes("temperature"):
        body["temperature"] = request.temperature
    if request.max_tokens is not None:
        body["max_tokens" if takes("max_tokens") else "max_completion_tokens"] = request.max_tokens
    if request.output is not None:
        schema = {"name": request.output.name, "strict": True, "schema": request.output.schema}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


def _dumps(payload: dict[str, Any]) -> bytes:
    # As the SDK writes it; a lone surrogate, which no endpoint takes, must not fail here but where it is sent.
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
