"""A request as the JSON that `/chat/completions` takes."""

import re
from collections.abc import Container
from functools import lru_cache
from typing import Any

from kaizen_batch.providers.base import OutputSchema, Request, keep_encoded, to_json

# These refuse `max_tokens`, and a temperature other than their default, with a 400; knowing it saves a first
# wave of refused calls. Any other model that refuses them is learned from its first answer.
_REASONING_MODEL = re.compile(r"^(o\d|gpt-5(?!.*chat))")


def body_of(request: Request) -> bytes:
    """The request's JSON, without regard to what was learned from refusals; made once and kept with the request.

    Raises: UnicodeEncodeError for text with a lone surrogate, which is no Unicode and no endpoint takes.
    """
    body: bytes | None = getattr(request, "encoded", None)
    if body is None:
        before, after = _around_messages(request.model, request.temperature, request.max_tokens, request.output)
        body = b"%b%b%b" % (before, to_json(request.messages), after)
        keep_encoded(request, body)
    return body


@lru_cache(maxsize=256, typed=True)
def _around_messages(
    model: str, temperature: float | None, max_tokens: int | None, output: OutputSchema | None
) -> tuple[bytes, bytes]:
    """What stands before and after the messages: the same for all requests of a run, its schema included."""
    body = to_json(payload_of(Request(model, [], temperature, max_tokens, output)))
    before, empty, after = body.partition(b'"messages":[]')  # in no text: a quote in one is written with a backslash
    return before + empty[:-2], after


def payload_of(request: Request, refused: Container[tuple[str, str]] = ()) -> dict[str, Any]:
    """The JSON object of a request, without the (model, parameter) pairs that are known to be refused."""
    model = request.model
    reasons = _is_reasoning_model(model)
    payload: dict[str, Any] = {"model": model, "messages": request.messages}
    if request.temperature is not None and not reasons and (model, "temperature") not in refused:
        payload["temperature"] = request.temperature
    if request.max_tokens is not None:
        takes = not reasons and (model, "max_tokens") not in refused
        payload["max_tokens" if takes else "max_completion_tokens"] = request.max_tokens
    if request.output is not None:
        schema = {"name": request.output.name, "strict": True, "schema": request.output.schema}
        payload["response_format"] = {"type": "json_schema", "json_schema": schema}
    return payload


@lru_cache(maxsize=256)
def _is_reasoning_model(model: str) -> bool:
    return _REASONING_MODEL.match(model) is not None
