"""A request as the JSON body of `/chat/completions`."""

import re
from functools import lru_cache
from typing import NamedTuple

from kaizen_batch.providers.base import Message, OutputSchema, Parameters, Request, keep_encoded, to_json
from kaizen_batch.signature.answers import schema_text
from kaizen_batch.signature.messages import with_system
from kaizen_batch.signature.strict import NotStrictError, strict_form

# These models refuse `max_tokens`, and any temperature but their default, with a 400. Knowing this saves a first
# wave of refused calls. Other models that refuse them are learned from their first refusal. Gateways put the name of a
# provider before a model's, and OpenAI "ft:" before that of a fine-tuned one.
_REASONING_MODEL = re.compile(r"(?:.*/)?(?:ft:)?(o\d|gpt-5(?!.*chat))")
LENGTHS = ("max_tokens", "max_completion_tokens")
"""The names of the limit on an answer's length; a model takes one of them or both."""


RUNGS = ("strict", "schema", "json_object", "prompt")
"""How a schema is sent, from the best to what every endpoint takes; see `structured`."""


class Dialect(NamedTuple):
    """How one model at one endpoint takes requests, as far as its refusals have told.

    `refused` are fields; `rung` is the first of RUNGS that it may take.
    """

    refused: frozenset[str] = frozenset()
    rung: int = 0


STANDARD = Dialect()
"""Of a model that has refused nothing."""


def body_of(request: Request) -> bytes:
    """The request's JSON, ignoring what was learned from refusals; encoded once and kept with the request.

    Raises: UnicodeEncodeError for text with a lone surrogate, which is not valid Unicode.
    """
    body: bytes | None = getattr(request, "encoded", None)
    if body is None:
        if request.output is None and request.parameters is None:
            before, after = _around_plain(request.model, request.temperature, request.max_tokens, request.asked)
            body = b"%b%b%b" % (before, to_json(request.messages), after)
        else:
            body = body_in(STANDARD, request)
        keep_encoded(request, body)
    return body


def body_in(dialect: Dialect, request: Request) -> bytes:
    """The request's JSON as a model takes it. Raises: UnicodeEncodeError."""
    shared = request.model, request.output, request.parameters, request.asked
    before, after = _around_messages(shared, request.temperature, request.max_tokens, dialect)
    messages = request.messages if request.output is None else _with_schema(request.messages, request.output, dialect)
    return b"%b%b%b" % (before, to_json(messages), after)


@lru_cache(maxsize=256, typed=True)
def _around_plain(model: str, temperature: float | None, max_tokens: int | None, asked: bool) -> tuple[bytes, bytes]:
    return _around_messages((model, None, None, asked), temperature, max_tokens, STANDARD)


_Shared = tuple[str, OutputSchema | None, Parameters | None, bool]


@lru_cache(maxsize=256, typed=True)
def _around_messages(
    shared: _Shared, temperature: float | None, max_tokens: int | None, dialect: Dialect
) -> tuple[bytes, bytes]:
    """The JSON before and after the messages; all requests of a run share it, schema included."""
    model, output, parameters, asked = shared
    body = to_json(payload_of(Request(model, [], temperature, max_tokens, output, parameters, asked), dialect))
    before, empty, after = body.partition(b'"messages":[]')  # cannot occur inside a string: quotes are escaped there
    return before + empty[:-2], after


def payload_of(request: Request, dialect: Dialect = STANDARD) -> dict[str, object]:
    """The JSON object of a request, as a model takes it."""
    is_reasoning, refused = _is_reasoning_model(request.model), dialect.refused
    payload: dict[str, object] = {"model": request.model, "messages": request.messages}
    if request.temperature is not None and (request.asked or not (is_reasoning or "temperature" in refused)):
        payload["temperature"] = request.temperature
    if request.max_tokens is not None:
        first, second = reversed(LENGTHS) if is_reasoning else LENGTHS
        payload[second if first in refused else first] = request.max_tokens
    if request.parameters is not None:
        payload.update(request.parameters.values)
    if request.output is not None:
        payload.update(_response_format(request.output, dialect))
    payload["stream"] = False  # some gateways stream unless told not to; it is no part of a request's key
    return payload


def rung_of(output: OutputSchema, dialect: Dialect) -> str:
    """How the schema of an answer is sent to a model."""
    if output.mode != "auto":
        return output.mode
    rung = RUNGS[dialect.rung]
    return "schema" if rung == "strict" and _strict_of(output) is None else rung


@lru_cache(maxsize=256)
def _strict_of(output: OutputSchema) -> dict[str, object] | None:
    try:
        return strict_form(output.schema).schema
    except NotStrictError:
        return None


def _response_format(output: OutputSchema, dialect: Dialect) -> dict[str, object]:
    rung = rung_of(output, dialect)
    if rung == "prompt":
        return {}
    if rung == "json_object":
        return {"response_format": {"type": "json_object"}}
    strict = _strict_of(output) if rung == "strict" else None
    schema = {"name": output.name, "strict": strict is not None, "schema": strict or output.schema}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _with_schema(messages: list[Message], output: OutputSchema, dialect: Dialect) -> list[Message]:
    """The messages, with the schema in the system message where it is not sent as a field."""
    if rung_of(output, dialect) in ("strict", "schema"):
        return messages
    return with_system(messages, _schema_text(output))


@lru_cache(maxsize=256)
def _schema_text(output: OutputSchema) -> str:
    return schema_text(output.schema)


@lru_cache(maxsize=256)
def _is_reasoning_model(model: str) -> bool:
    return _REASONING_MODEL.match(model) is not None
