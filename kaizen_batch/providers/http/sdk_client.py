"""Calls through the official SDK: the reference for what is sent, at many times the CPU."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx2
import openai

from kaizen_batch.providers.chat_responses import HttpResponse, rate_limit_headers
from kaizen_batch.providers.http.base import T, Target
from kaizen_batch.providers.http.connection_errors import (
    connect_error,
    connect_timeout,
    redirect_error,
    response_error,
    response_timeout,
)

_UNSENT = (httpx2.ConnectError, httpx2.ProxyError, httpx2.UnsupportedProtocol, httpx2.PoolTimeout)


class SdkTransport:
    """A client of the SDK; its own retries are off."""

    def __init__(self, target: Target) -> None:
        self._target = target
        # By default the SDK keeps 100 connections alive. With more calls in flight, it would open a new connection
        # for nearly every call.
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
        """Send this JSON to `/chat/completions`, once; what `read` makes of the response."""
        try:
            # The method knows only the parameters of its release, and leaves anything else to `extra_body`.
            given = json.loads(body)
            asked = {name: given.pop(name) for name in ("model", "messages")}
            raw = await self._client.chat.completions.with_raw_response.create(
                **asked, extra_body=given, extra_headers=self._target.headers
            )
            response = raw.http_response
        except openai.APIStatusError as error:
            response = error.response
        except openai.APIConnectionError as error:  # time-outs are a kind of it
            raise self._classify(error) from None
        answer = HttpResponse(response.status_code, rate_limit_headers(response.headers.items()), response.content)
        return read(answer, body)

    def _classify(self, error: openai.APIConnectionError) -> Exception:
        cause = error.__cause__
        if isinstance(cause, httpx2.ConnectTimeout):
            return connect_timeout(self._target)
        if isinstance(cause, _UNSENT):
            return connect_error(self._target, cause)
        if isinstance(cause, httpx2.TooManyRedirects):
            return redirect_error(self._target, "redirects more than 20 times")
        return (
            response_timeout(self._target)
            if isinstance(error, openai.APITimeoutError)
            else response_error(self._target, error)
        )

    def keep_idle(self, keep: bool) -> None:
        """The SDK's connections are kept until the end of the run."""

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()
