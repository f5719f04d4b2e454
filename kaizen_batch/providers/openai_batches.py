"""Batches of OpenAI and of compatible servers, through the official SDK."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from kaizen_batch.config import BatchSettings
from kaizen_batch.errors import KaizenBatchError, NoAnswerError, ProviderError
from kaizen_batch.prices import Price, price_of
from kaizen_batch.providers.base import Completion
from kaizen_batch.providers.batch import (
    INTENT,
    UNLISTED,
    BatchApi,
    BatchLimits,
    Outcome,
    RemoteBatch,
    limits_at,
    scaled,
    within,
)
from kaizen_batch.providers.chat_responses import HttpResponse, error_body, read_response
from kaizen_batch.providers.error_responses import error_from_response

if TYPE_CHECKING:
    from collections.abc import Iterator

    import openai
    from openai.types import Batch

    from kaizen_batch.providers.http.base import Target

_RETRIES = 4
_TRANSFER_S = 1800.0  # 200 MB at 1 Mbit/s
_LISTED = 100
_NOT_IN_BATCHES = ("stream", "service_tier")


class OpenAIBatches(BatchApi):
    """Batches of OpenAI, and of servers with the same API, through the official SDK.

    The limits are those of the provider at the URL, as far as the settings do not lower them.
    """

    def __init__(self, target: Target, settings: BatchSettings | None = None) -> None:
        self._target = target
        self._settings = settings or BatchSettings()
        self.limits: BatchLimits = within(limits_at(target.base_url), self._settings)
        self._stack = AsyncExitStack()
        self._opened: openai.AsyncOpenAI | None = None

    async def __aenter__(self) -> Self:
        import openai

        target = self._target
        timeout = openai.Timeout(_TRANSFER_S, connect=target.connect_timeout_s, pool=None)
        client = openai.AsyncOpenAI(
            api_key=target.api_key,
            base_url=target.base_url,
            max_retries=_RETRIES,
            timeout=timeout,
            default_headers=target.headers,
            http_client=openai.DefaultAsyncHttpxClient(),
        )
        self._opened = await self._stack.enter_async_context(client)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened = None
        await self._stack.aclose()

    @property
    def _client(self) -> openai.AsyncOpenAI:
        if self._opened is None:
            raise RuntimeError("a batch API is used inside `async with`")
        return self._opened

    def encoded(self, key: bytes, body: bytes) -> bytes:
        """One line of JSON, with the key in hex as its custom_id."""
        request = {name: value for name, value in json.loads(body).items() if name not in _NOT_IN_BATCHES}
        if self._settings.model is not None:
            request["model"] = self._settings.model
        line = {"custom_id": key.hex(), "method": "POST", "url": self.limits.url, "body": request}
        return json.dumps(line, ensure_ascii=False).encode() + b"\n"

    def read(self, line: bytes) -> Outcome | None:
        """The completion inside a line of the output or error file, read as a live response is."""
        try:
            found = json.loads(line)
            key = bytes.fromhex(found["custom_id"])
        except (ValueError, TypeError, KeyError):
            return None
        try:
            return Outcome(key, self._completion(found), None)
        except KaizenBatchError as error:
            return Outcome(key, None, error)

    def _completion(self, found: Mapping[str, Any]) -> Completion:
        response = found.get("response")
        if not isinstance(response, Mapping):
            raise _line_error(found.get("error"))
        body = json.dumps(response.get("body")).encode()
        status = response.get("status_code")
        return read_response(HttpResponse(status if isinstance(status, int) else 500, {}, body), self._target.api_key)

    def price(self, model: str, live: Price | None) -> Price | None:
        """The price list's, else the provider's discount on the live price; without a discount, the live price."""
        listed = self._settings.price or price_of(model, self._target.base_url, "batch")
        if listed is not None or live is None:
            return listed
        share = self.limits.discount
        return live if share is None else scaled(live, share)

    async def upload(self, path: Path, name: str) -> str:
        """POST /files."""
        purpose: Any = self.limits.purpose
        with self._errors(), path.open("rb") as file:
            return (await self._client.files.create(file=(name, file, "application/jsonl"), purpose=purpose)).id

    async def find_upload(self, name: str) -> str | None:
        """Newest first through GET /files; a server without that list counts as one without the file."""
        try:
            with self._errors():
                pages = await self._client.files.list(purpose=self.limits.purpose, order="desc", limit=_LISTED)
                return next((file.id for file in pages.data if file.filename == name), None)
        except ProviderError as error:
            if error.fatal and error.status != 404:
                raise
            return None

    async def create(self, file: str, intent: str) -> RemoteBatch:
        """POST /batches, once."""
        endpoint: Any = self.limits.url
        window: Any = self.limits.window
        with self._errors():
            made = await self._client.with_options(max_retries=0).batches.create(
                input_file_id=file, endpoint=endpoint, completion_window=window, metadata={INTENT: intent}
            )
        return _remote(made)

    async def find(self, intent: str, since: float) -> RemoteBatch | None:
        """Newest first through GET /batches."""
        try:
            with self._errors():
                async for batch in await self._client.batches.list(limit=_LISTED):
                    if (batch.metadata or {}).get(INTENT) == intent:
                        return _remote(batch)
                    if (batch.created_at or since) < since:
                        break
        except ProviderError as error:
            if error.status in (404, 405, 501):
                raise ProviderError(f"batches cannot be listed: {error.message}", code=UNLISTED) from error
            raise
        return None

    async def status(self, batch: str) -> RemoteBatch:
        """GET /batches/{id}."""
        with self._errors():
            return _remote(await self._client.batches.retrieve(batch))

    async def download(self, file: str, path: Path) -> None:
        """GET /files/{id}/content, in pieces."""
        part = path.with_name(path.name + ".part")
        with self._errors():
            async with self._client.files.with_streaming_response.content(file) as response:
                await response.stream_to_file(part)
        part.replace(path)

    async def cancel(self, batch: str) -> None:
        """POST /batches/{id}/cancel."""
        try:
            with self._errors():
                await self._client.batches.cancel(batch)
        except ProviderError as error:
            if error.status not in (400, 404, 409):
                raise

    async def delete(self, file: str) -> None:
        """DELETE /files/{id}."""
        try:
            with self._errors():
                await self._client.files.delete(file)
        except ProviderError as error:
            if error.status != 404:
                raise

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Inside it, errors of the SDK are ours."""
        import openai

        try:
            yield
        except openai.APIStatusError as error:
            response, headers = error.response, {name.lower(): value for name, value in error.response.headers.items()}
            body = error.body if error.body is not None else error_body(response.content)
            wrapped = {"error": body} if isinstance(body, Mapping) and "error" not in body else body
            secret = self._target.api_key
            raise error_from_response(response.status_code, wrapped, headers, secret=secret) from None
        except openai.APIConnectionError as error:
            raise NoAnswerError(f"no answer from {self._target.host}: {error}", code="connection") from None


def _line_error(said: object) -> KaizenBatchError:
    """The error of a request that was never executed: `batch_expired`, `batch_cancelled`; it was not billed."""
    about = said if isinstance(said, Mapping) else {}
    code = str(about.get("code") or "batch_failed")
    text = str(about.get("message") or "the batch has no answer to it")
    return ProviderError(f"{code}: {text}", code=code, retryable=True)


def _remote(batch: Batch) -> RemoteBatch:
    batch = getattr(batch, "job", None) or batch  # Together's answer to a creation
    counts = batch.request_counts
    errors = tuple((str(error.code), str(error.message)) for error in (batch.errors and batch.errors.data) or ())
    return RemoteBatch(
        batch.id,
        str(batch.status).lower().replace("canceled", "cancelled"),
        {} if counts is None else {name: int(value or 0) for name, value in counts.model_dump().items()},
        batch.output_file_id,
        batch.error_file_id,
        batch.expires_at,
        errors,
    )
