"""A request as the JSON body of `/chat/completions`."""

import re
from collections.abc import Container
from functools import lru_cache

from kaizen_batch.providers.base import OutputSchema, Request, keep_encoded, to_json

# These models refuse `max_tokens`, and any temperature but their default, with a 400. Knowing this saves a first
# wave of refused calls. Other models that refuse them are learned from their first refusal.
_REASONING_MODEL = re.compile(r"^(o\d|gpt-5(?!.*chat))")


def body_of(request: Request) -> bytes:
    """The request's JSON, ignoring what was learned from refusals; encoded once and kept with the request.

    Raises: UnicodeEncodeError for text with a lone surrogate, which is not valid Unicode.
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
    """The JSON before and after the messages; all requests of a run share it, schema included."""
    body = to_json(payload_of(Request(model, [], temperature, max_tokens, output)))
    before, empty, after = body.partition(b'"messages":[]')  # cannot occur inside a string: quotes are escaped there
    return before + empty[:-2], after


def payload_of(request: Request, refused: Container[tuple[str, str]] = ()) -> dict[str, object]:
    """The JSON object of a request, without the (model, parameter) pairs that are known to be refused."""
    model = request.model
    is_reasoning = _is_reasoning_model(model)
    payload: dict[str, object] = {"model": model, "messages": request.messages}
    if request.temperature is not None and not is_reasoning and (model, "temperature") not in refused:
        payload["temperature"] = request.temperature
    if request.max_tokens is not None:
        takes_max_tokens = not is_reasoning and (model, "max_tokens") not in refused
        payload["max_tokens" if takes_max_tokens else "max_completion_tokens"] = request.max_tokens
    if request.output is not None:
        schema = {"name": request.output.name, "strict": True, "schema": request.output.schema}
        payload["response_format"] = {"type": "json_schema", "json_schema": schema}
    payload["stream"] = False  # some gateways stream unless told not to; it is no part of a request's key
    return payload


@lru_cache(maxsize=256)
def _is_reasoning_model(model: str) -> bool:
    return _REASONING_MODEL.match(model) is not None
