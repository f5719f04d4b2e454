"""The provider for OpenAI and compatible endpoints: over a lean HTTP client, or over the official SDK."""

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Self

from kaizen_batch.config import BatchConfig, BatchSettings
from kaizen_batch.config.requests import sent_headers
from kaizen_batch.errors import BadRequestError, ConfigError
from kaizen_batch.prices import Price, price_of
from kaizen_batch.providers.base import Completion, Provider, Request, to_json
from kaizen_batch.providers.batch import BatchApi, HasBatches
from kaizen_batch.providers.chat_requests import body_in, body_of, payload_of
from kaizen_batch.providers.chat_responses import HttpResponse, read_response
from kaizen_batch.providers.dialects import Dialects
from kaizen_batch.providers.http.base import (
    MAX_RESPONSE_BYTES,
    Target,
    Transport,
    TransportName,
    check_base_url,
    wants_fast,
)

logger: logging.Logger = logging.getLogger(__name__)

_OPENAI = "https://api.openai.com/v1"


@dataclass(slots=True)
class _Client:
    """The client of one running loop, and the number of runs that share it."""

    transport: Transport
    runs: int = 0
    finishing: int = 0  # runs without an item left to send

    def keep_idle(self) -> None:
        """Keep idle connections as long as any run may need them."""
        self.transport.keep_idle(self.finishing < self.runs)


class OpenAIProvider(Provider, HasBatches):
    """Chat completions from OpenAI or any compatible endpoint.

    >>> provider = OpenAIProvider(api_key="sk-...", base_url="http://127.0.0.1:8000/v1", max_concurrent=50)

    - `timeout_s`: seconds for one call.
    - `max_concurrent`: the most connections kept open.
    - `headers`: further headers; none of their values appears in an error.
    - `max_response_bytes`: the most bytes of a response, before and after decompression.
    - `transport`: `"fast"`, a lean client that makes the SDK's call with a fraction of its work; `"sdk"`, the
      official SDK; `"auto"`, fast unless a setting needs the SDK: an Azure endpoint, a proxy that is not plain
      HTTP, OPENAI_CUSTOM_HEADERS or OPENAI_LOG. The choice of the SDK is logged.

    Each running loop has its own client, which the runs on the loop share and the last of them closes.

    Raises: ConfigError without a key, unless `base_url` is given (many servers need no key); for a key that is not
    a valid header value; for `"fast"` where the SDK is required.
    """

    standard_body = True

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        timeout_s: float | None = 120.0,
        max_concurrent: int = 10,
        transport: TransportName = "auto",
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._base_url = base_url or os.environ.get("OPENAI_BASE_URL") or None
        own = {str(name): str(value) for name, value in (headers or {}).items()}
        self._secret = "\n".join(filter(None, (api_key, *own.values())))
        key = _checked_key(api_key, self._base_url)
        url = check_base_url(self.endpoint)
        self._target = Target(url, key, timeout_s, max_concurrent, max_response_bytes, own)
        self._fast, reason = wants_fast(transport, self.endpoint)
        if reason:
            logger.info("calls go through the SDK: %s", reason)
        self._dialects = Dialects()
        self._clients: dict[asyncio.AbstractEventLoop, _Client] = {}
        self._lock = threading.Lock()

    @classmethod
    def from_config(cls, config: BatchConfig) -> Self:
        """The provider for a BatchConfig; `provider_options` override its own options."""
        return cls(
            **{
                "api_key": config.api_key.get_secret_value() if config.api_key else None,
                "base_url": config.url,
                "timeout_s": config.timeout_s,
                "max_concurrent": config.max_concurrent,
                "headers": sent_headers(config.headers),
                **config.provider_options,
            }
        )

    @asynccontextmanager
    async def session(self) -> AsyncIterator[None]:
        """Keep this loop's client open; the last run on the loop closes it."""
        loop = asyncio.get_running_loop()
        with self._lock:
            client = self._clients.get(loop)
            if client is None:
                client = self._clients[loop] = _Client(self._open())
            client.runs += 1
            client.keep_idle()
        try:
            yield
        finally:
            with self._lock:
                client.runs -= 1
                client.finishing = max(0, client.finishing - 1)
                last = client.runs == 0
                if last:
                    del self._clients[loop]
            if last:
                await client.transport.close()

    def release_idle(self) -> None:
        """Close this loop's idle connections once no run on it has an item left to send."""
        with self._lock:
            client = self._clients.get(asyncio.get_running_loop())
            if client is not None:
                client.finishing += 1
                client.keep_idle()

    def _open(self) -> Transport:
        # Imported on first use: each client takes longer to import than the rest of the package.
        if self._fast:
            from kaizen_batch.providers.http.pool import PoolTransport

            return PoolTransport(self._target)
        from kaizen_batch.providers.http.sdk_client import SdkTransport

        return SdkTransport(self._target)

    def complete(self, request: Request) -> Coroutine[object, object, Completion]:
        """One POST to `/chat/completions`."""
        try:
            client = self._clients.get(asyncio.get_running_loop())
        except RuntimeError:  # as in `asyncio.run(provider.complete(request))`
            client = None
        if client is None:
            return self._complete_once(request)
        try:
            dialect = self._dialects.of(request.model)
            body = body_of(request) if dialect is None else body_in(dialect, request)
        except UnicodeEncodeError as error:
            raise BadRequestError(f"the prompt is not valid Unicode: {error.reason}", code="invalid_text") from None
        plain = request.output is None and not request.asked
        return client.transport.post(body, self._read_plain if plain else partial(self._read, request))

    async def _complete_once(self, request: Request) -> Completion:
        async with self.session():
            return await self.complete(request)

    def _read_plain(self, response: HttpResponse, sent: bytes) -> Completion:
        return read_response(response, self._secret) if response.status == 200 else self._read(None, response, sent)

    def _read(self, request: Request | None, response: HttpResponse, sent: bytes) -> Completion:
        if response.status in (400, 422):
            self._dialects.learn(response, sent, request, self._secret)
        return read_response(response, self._secret)

    @property
    def endpoint(self) -> str:
        """The base URL."""
        return self._base_url or _OPENAI

    def body(self, request: Request) -> bytes:
        """The request as JSON, before parameters that the model refused are removed.

        What was learned from refusals is ignored, so that the key of a request is the same in every run.
        """
        try:
            return body_of(request)
        except UnicodeEncodeError:
            # The call must fail when it is sent, not here.
            return to_json(payload_of(request), "surrogatepass")

    def batch_body(self, request: Request) -> bytes:
        """The request as JSON, without the parameters that the model refused."""
        dialect = self._dialects.of(request.model)
        return body_of(request) if dialect is None else body_in(dialect, request)

    def batches(self, settings: BatchSettings) -> BatchApi:
        """The batches of the endpoint."""
        from kaizen_batch.providers.openai_batches import OpenAIBatches

        return OpenAIBatches(self._target, settings)

    def keeps_timeout(self, seconds: float | None) -> bool:
        """The lean client limits the whole call; the SDK only the time between two packets."""
        own = self._target.timeout_s
        return self._fast and own is not None and seconds is not None and own <= seconds

    def price(self, model: str) -> Price | None:
        """The model's list price."""
        return price_of(model, self._base_url)

    def schema_ignored(self, model: str) -> bool:
        """Put the schema into the prompt, if it is not there already."""
        return self._dialects.schema_ignored(model)

    def price_in(self, model: str, mode: str) -> Price | None:
        """The model's list price at a service tier, or in a batch."""
        return price_of(model, self._base_url, mode)


def _checked_key(api_key: str | None, base_url: str | None) -> str:
    if not api_key and base_url is None:
        raise ConfigError(
            "no API key: set OPENAI_API_KEY or pass api_key=...; pass base_url=... for your own server; "
            'or try llm_provider="mock", which needs neither'
        )
    if api_key and not (api_key.isascii() and api_key.isprintable()):
        raise ConfigError(
            "the API key contains a character that is not allowed in a header, such as a line break; remove it"
        )
    return api_key or "none"
