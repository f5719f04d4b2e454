"""Structured output as endpoints offer it: which forms they take, what strict mode allows, whether they obey.

The rules of strict mode are written down here a second time, from OpenAI's documentation alone, so that tests compare
what is sent with something that does not share its code.
"""

import json
from collections.abc import Iterator
from typing import Any

from kaizen_batch.simulator.settings import Reply, error_reply

_Json = Any
_MARK = "JSON schema: "
_KNOWN = {
    *("type", "title", "description", "properties", "required", "additionalProperties", "items", "enum", "const"),
    *("anyOf", "$ref", "$defs", "definitions", "pattern", "format", "multipleOf", "minimum", "maximum"),
    *("exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems"),
}


def format_refusal(body: dict[str, _Json], structured: str) -> Reply | None:
    """The refusal of a request's `response_format`, if the endpoint does not take it."""
    wanted = body.get("response_format")
    if wanted is None or structured == "ignored":
        return None
    kind = wanted.get("type")
    if structured == "none" or (structured == "json_object" and kind == "json_schema"):
        text = f"Invalid parameter: 'response_format' of type '{kind}' is not supported with this model."
        return error_reply(400, None, text)
    if kind == "json_object" and "json" not in json.dumps(body["messages"]).lower():
        text = "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
        return error_reply(400, None, text, param="messages")
    return _schema_refusal(wanted.get("json_schema") or {})


def _schema_refusal(about: dict[str, _Json]) -> Reply | None:
    fault = next(strict_faults(about.get("schema")), None) if about.get("strict") else None
    text = f"Invalid schema for response_format '{about.get('name')}': {fault}."
    return None if fault is None else error_reply(400, None, text, param="response_format")


def schema_asked(body: dict[str, _Json], structured: str) -> dict[str, object] | None:
    """The schema that the model follows: the one in `response_format`, or else one that the messages quote."""
    if structured == "ignored" and "response_format" in body:
        return None
    schema: dict[str, object] | None = (body.get("response_format") or {}).get("json_schema", {}).get("schema")
    return schema or _quoted(body["messages"])


def _quoted(messages: list[dict[str, _Json]]) -> dict[str, object] | None:
    content = messages[0].get("content") if messages and messages[0].get("role") == "system" else None
    text = content if isinstance(content, str) else ""
    at = text.rfind(_MARK)
    if at < 0:
        return None
    found: dict[str, object] = json.JSONDecoder().raw_decode(text, at + len(_MARK))[0]
    return found


def strict_faults(schema: _Json, place: str = "()") -> Iterator[str]:
    """What strict mode refuses in a schema, in the words of OpenAI's errors."""
    if not isinstance(schema, dict) or not schema.keys() & {"type", "anyOf", "$ref", "enum", "const"}:
        yield f"In context={place}, schema must have a 'type' key"
        return
    if place == "()" and schema.get("type") != "object":
        yield "schema must be a JSON Schema of 'type: \"object\"'"
    yield from _word_faults(schema, place)
    if schema.get("type") == "object":
        yield from _object_faults(schema, place)
    for where, inner in _parts(schema):
        yield from strict_faults(inner, f"{place}.{where}")


def _word_faults(schema: dict[str, _Json], place: str) -> Iterator[str]:
    unknown = schema.keys() - _KNOWN
    if unknown:
        yield f"In context={place}, '{min(unknown)}' is not permitted"
    if "$ref" in schema and schema.keys() - {"$ref", "description", "title"}:
        yield f"In context={place}, $ref cannot have keywords beside it"
    if schema.get("type") == "array" and "items" not in schema:
        yield f"In context={place}, array schema missing items"


def _parts(schema: dict[str, _Json]) -> Iterator[tuple[str, _Json]]:
    for name in ("properties", "$defs", "definitions"):
        yield from (schema.get(name) or {}).items()
    yield from (("anyOf", inner) for inner in schema.get("anyOf", ()))
    if "items" in schema:
        yield "items", schema["items"]


def _object_faults(schema: dict[str, _Json], place: str) -> Iterator[str]:
    if schema.get("additionalProperties") is not False:
        yield f"In context={place}, 'additionalProperties' is required to be supplied and to be false"
    missing = (schema.get("properties") or {}).keys() - set(schema.get("required", ()))
    if missing:
        yield f"In context={place}, 'required' must include every key in properties. Missing '{min(missing)}'"
