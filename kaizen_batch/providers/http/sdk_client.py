"""The official SDK as the way to an endpoint: the reference for what goes over the wire, at many times the work."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx2
import openai

from kaizen_batch.providers.chat_responses import HttpResponse, rate_limit_headers
from kaizen_batch.providers.http.base import T, Target, no_answer, not_connected, too_late

_UNSENT = (httpx2.ConnectError, httpx2.ProxyError, httpx2.UnsupportedProtocol, httpx2.PoolTimeout)


class SdkTransport:
    """A client of the SDK; its own retries are off."""

    def __init__(self, target: Target) -> None:
        self._target = target
        # The SDK keeps 100 connections alive whatever is in flight: above that it would open a new one for
        # nearly every call.
        size = target.max_concurrent
        self._client = openai.AsyncOpenAI(
            api_key=target.api_key,
            base_url=target.base_url,
            max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(
                limits=httpx2.Limits(max_connections=size, max_keepalive_connections=size),
                timeout=openai.Timeout(target.timeout_s, connect=target.connect_timeout_s),
            ),
        )

    async def post(self, body: bytes, read: Callable[[HttpResponse, bytes], T]) -> T:
        """Send this JSON to `/chat/completions`, once; what `read` makes of the answer."""
        try:
            raw = await self._client.chat.completions.with_raw_response.create(**json.loads(body))
            response = raw.http_response
        except openai.APIStatusError as error:
            response = error.response
        except openai.APIConnectionError as error:  # time-outs are a kind of it
            raise self._classify(error) from None
        answer = HttpResponse(response.status_code, rate_limit_headers(response.headers.items()), response.content)
        return read(answer, body)

    def _classify(self, error: openai.APIConnectionError) -> Exception:
        cause = error.__cause__
        name = type(cause).__name__ if cause else "unknown cause"
        if isinstance(cause, httpx2.ConnectTimeout):
            return not_connected(self._target, name, timeout=True)
        if isinstance(cause, _UNSENT):
            return not_connected(self._target, name)
        return too_late(self._target) if isinstance(error, openai.APITimeoutError) else no_answer(self._target, name)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()
