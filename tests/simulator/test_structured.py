"""Structured output of the simulator: what it refuses, and what it follows."""

import json
from typing import Any

import pytest

from kaizen_batch.signature.answers import schema_text
from kaizen_batch.simulator.structured import format_refusal, schema_asked, strict_faults

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}


def body(kind: str, *, strict: bool = True, schema: Any = SCHEMA, system: str = "") -> dict[str, Any]:
    messages = [{"role": "system", "content": system}, {"role": "user", "content": "hi"}]
    about = {"json_schema": {"name": "t", "strict": strict, "schema": schema}} if kind == "json_schema" else {}
    return {"messages": messages, "response_format": {"type": kind, **about}}


@pytest.mark.parametrize(
    ("structured", "kind", "refused"),
    [
        ("all", "json_schema", None),
        ("all", "json_object", "must contain the word 'json'"),
        ("json_object", "json_schema", "'json_schema' is not supported"),
        ("none", "json_object", "'json_object' is not supported"),
        ("ignored", "json_schema", None),
    ],
)
def test_each_endpoint_takes_its_own_forms(structured: str, kind: str, refused: str | None) -> None:
    reply = format_refusal(body(kind), structured)
    assert (reply is None) is (refused is None)
    if reply is not None:
        assert reply.status == 400 and refused is not None and refused in json.dumps(reply.body)


def test_without_a_format_nothing_is_refused_and_with_the_word_json_the_object_is_taken() -> None:
    assert format_refusal({"messages": []}, "none") is None
    assert format_refusal(body("json_object", system="Write JSON."), "all") is None


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"additionalProperties": True}, "'additionalProperties' is required"),
        ({"required": []}, "Missing 'a'"),
        ({"properties": {"a": {}}}, "schema must have a 'type' key"),
        ({"properties": {"a": {"oneOf": [], "type": "string"}}}, "'oneOf' is not permitted"),
        ({"properties": {"a": {"$ref": "#/$defs/x", "default": 1}}}, "'default' is not permitted"),
        ({"properties": {"a": {"$ref": "#/$defs/x", "type": "string"}}}, "$ref cannot have keywords"),
        ({"properties": {"a": {"type": "array"}}}, "missing items"),
        ({"properties": {"a": {"type": "array", "items": {}}}}, "schema must have a 'type' key"),
        ({"properties": {"a": {"anyOf": [{"type": "object"}]}}}, "'additionalProperties' is required"),
        ({"$defs": {"x": {"type": "string", "minLength": 1}}}, "'minLength' is not permitted"),
        ({"type": "string"}, "schema must be a JSON Schema of"),
    ],
)
def test_strict_mode_names_what_it_refuses(change: dict[str, Any], fault: str) -> None:
    assert any(fault in each for each in strict_faults({**SCHEMA, **change}))
    assert format_refusal(body("json_schema", schema={**SCHEMA, **change}), "all") is not None
    assert format_refusal(body("json_schema", schema={**SCHEMA, **change}, strict=False), "all") is None


def test_what_is_allowed_has_no_fault() -> None:
    assert list(strict_faults(SCHEMA)) == []


def test_the_model_follows_the_schema_that_it_was_given() -> None:
    assert schema_asked(body("json_schema"), "all") == SCHEMA
    assert schema_asked(body("json_schema"), "ignored") is None
    told = {"messages": body("", system=f"Be brief.\n\n{schema_text(SCHEMA)}")["messages"]}
    assert schema_asked(told, "none") == schema_asked(told, "ignored") == SCHEMA
    assert schema_asked({"messages": [{"role": "user", "content": schema_text(SCHEMA)}]}, "all") is None
