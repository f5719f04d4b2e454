"""A JSON schema file as the outputs of a signature."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaizen_batch import ConfigError, InvalidOutputError, SignatureError
from kaizen_batch.commands.schema_file import model_of, read_schema, signature_of
from kaizen_batch.signature import as_signature

LABELS = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "description": "Decide which team a ticket belongs to.",
    "properties": {
        "team": {"enum": ["billing", "tech"], "description": "who should answer"},
        "sure": {"type": "number", "minimum": 0, "maximum": 1},
        "count": {"type": "integer"},
        "urgent": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 5}, "maxItems": 3},
        "note": {"type": ["string", "null"]},
        "who": {"$ref": "#/$defs/Person"},
        "other": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
    },
    "$defs": {"Person": {"type": "object", "properties": {"name": {"type": "string"}}, "additionalProperties": False}},
}
ANSWER = {
    "team": "tech",
    "sure": 0.5,
    "count": 2,
    "urgent": True,
    "tags": ["a"],
    "note": None,
    "who": {"name": "Ann"},
    "other": 3,
}


def test_a_schema_becomes_a_signature_that_takes_the_right_answer() -> None:
    signature = as_signature(model_of(LABELS))
    assert signature.output_fields() == tuple(LABELS["properties"])  # type: ignore[arg-type]
    assert signature.instructions == "Decide which team a ticket belongs to."
    assert signature.parse(json.dumps(ANSWER)) == ANSWER


@pytest.mark.parametrize(
    "change",
    [
        {"team": "sales"},
        {"sure": 1.5},
        {"count": "many"},
        {"tags": ["toolong"]},
        {"tags": ["a", "b", "c", "d"]},
        {"note": 7},
        {"who": {"name": "Ann", "age": 3}},
        {"other": "x"},
        {"more": 1},
    ],
    ids=str,
)
def test_a_wrong_answer_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidOutputError):
        as_signature(model_of(LABELS)).parse(json.dumps({**ANSWER, **change}))


def test_what_goes_to_the_endpoint_says_what_the_file_says() -> None:
    schema = as_signature(model_of(LABELS)).json_schema()
    assert schema is not None and schema["additionalProperties"] is False
    assert schema["required"] == list(LABELS["properties"])  # type: ignore[call-overload]
    team = schema["properties"]["team"]
    assert (team["enum"], team["description"]) == (["billing", "tech"], "who should answer")
    assert schema["properties"]["sure"]["maximum"] == 1


def test_a_property_that_is_not_required_may_be_null_or_missing() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "required": ["a"]}
    signature = as_signature(model_of(schema))
    assert signature.parse('{"a": 1}') == {"a": 1, "b": None}
    with pytest.raises(InvalidOutputError):
        signature.parse('{"b": 1}')


def test_names_that_pydantic_uses_itself_are_names_like_others() -> None:
    signature = as_signature(model_of({"properties": {"json": {"type": "string"}, "copy": {"type": "integer"}}}))
    assert signature.parse('{"json": "x", "copy": 1}') == {"json": "x", "copy": 1}


@settings(max_examples=25)
@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z_]{3,8}x", fullmatch=True), st.sampled_from(["string", "integer"]), min_size=1
    )
)
def test_any_flat_schema_takes_its_own_answers(kinds: dict[str, str]) -> None:
    signature = as_signature(model_of({"properties": {name: {"type": kind} for name, kind in kinds.items()}}))
    answer = {name: "x" if kind == "string" else 1 for name, kind in kinds.items()}
    if not signature.is_text():
        assert signature.parse(json.dumps(answer)) == answer


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ([], "it must describe an object"),
        ({"type": "string"}, "it must describe an object"),
        ({"properties": {"a": {"type": "strng"}}}, "at 'a': unknown type 'strng': did you mean 'string'?"),
        ({"properties": {"a": {}}}, "at 'a': unknown type None"),
        ({"properties": {"a": "string"}}, "at 'a': a schema is an object such as"),
        ({"properties": {"a": {"type": "string", "maxlength": 3}}}, "did you mean 'maxLength'?"),
        ({"properties": {"a": {"type": "object"}}}, "at 'a': an object needs properties"),
        ({"properties": {"a": {"type": "array"}}}, "at 'a[]': a schema is an object such as"),
        ({"properties": {"a": {"enum": []}}}, "at 'a': enum is a list of texts"),
        ({"properties": {"a": {"anyOf": []}}}, "at 'a': a choice of types needs at least one"),
        ({"properties": {"a": {"$ref": "#/$defs/B"}}}, "at 'a': $ref '#/$defs/B' does not exist"),
        ({"properties": {"_a": {"type": "string"}}}, "at '_a': a name cannot begin with an underscore"),
        ({"properties": {"a": {"type": "string"}}, "required": ["b"]}, "required names 'b', which is not a property"),
        ({"properties": {"a": {"type": "string", "pattern": "("}}}, "'(' is not a regular expression"),
    ],
)
def test_what_is_not_supported_is_named_with_its_place(schema: Any, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        model_of(schema)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_no_json_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    path.write_text('{\n"type": object}', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"labels.json' is not valid JSON: .* in line 2, column 9"):
        read_schema(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        read_schema(path)
    with pytest.raises(ConfigError, match="there is no schema file"):
        read_schema(tmp_path / "none.json")


def test_the_name_that_goes_to_the_endpoint_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "ticket-labels.v2.json"
    path.write_text(json.dumps(LABELS), encoding="utf-8")
    assert read_schema(path).__name__ == "ticket_labels"


RARE: dict[str, Any] = {
    "type": "object",
    "description": "Describe it.",
    "properties": {
        "day": {"type": "string", "format": "date"},
        "pet": {"oneOf": [{"type": "string", "maxLength": 3}, {"type": "integer"}]},
        "tree": {"$ref": "#/$defs/Tree"},
        "size": {"enum": [0.5, 1.5]},
        "tags": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "required": ["day", "tree"],
    "$defs": {
        "Tree": {
            "type": "object",
            "properties": {"label": {"type": "string"}, "kids": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}},
            "required": ["label"],
        }
    },
}
TREE = {"label": "a", "kids": [{"label": "b", "kids": []}]}


def test_any_valid_schema_is_taken_as_it_is() -> None:
    signature = signature_of(RARE)
    assert signature.instructions == "Describe it." and list(signature.inputs) == ["prompt"]
    answer = {"day": "2026-01-31", "tree": TREE, "size": 0.5, "tags": {"x": "y"}}
    assert signature.parse(json.dumps(answer)) == {"pet": None, **answer}
    strict = {**answer, "pet": None, "tags": [{"key": "x", "value": "y"}]}
    assert signature.parse(json.dumps(strict)) == {"pet": None, **answer}


@pytest.mark.parametrize(
    "change",
    [{"day": "soon"}, {"pet": True}, {"pet": "long word"}, {"tree": {"kids": []}}, {"size": 0.7}, {"tags": {"x": 1}}],
)
def test_its_conditions_hold(change: dict[str, Any]) -> None:
    answer = {"day": "2026-01-31", "tree": TREE, **change}
    with pytest.raises(InvalidOutputError):
        signature_of(RARE).parse(json.dumps(answer))


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"properties": {"a": {"format": "date", "maxlength": 3}}}, "at 'a': 'maxlength' is no word of JSON schema"),
        ({"properties": {"a": {"oneOf": [{"properties": {}, "required": ["b"]}]}}}, "required names 'b'"),
        ({"properties": {"a": {"oneOf": [{"type": "strng"}]}}}, "no valid JSON schema"),
        ({"properties": {"_a": {"oneOf": [{"type": "string"}]}}}, "cannot begin with an underscore"),
        ({"properties": {"status": {"oneOf": [{"type": "string"}]}}}, "reserved"),
    ],
)
def test_mistakes_in_such_a_schema_are_named(schema: Any, said: str) -> None:
    with pytest.raises((ConfigError, SignatureError)) as raised:
        signature_of(schema)
    assert said in str(raised.value)


def test_look_around_is_allowed_in_a_pattern() -> None:
    signature = signature_of({"properties": {"a": {"type": "string", "pattern": "^(?!x).*$"}, "b": {"type": "null"}}})
    assert signature.parse('{"a": "y", "b": null}') == {"a": "y", "b": None}
    with pytest.raises(InvalidOutputError):
        signature.parse('{"a": "xy", "b": null}')


def test_one_text_in_a_file_is_json_like_any_other() -> None:
    signature = signature_of({"properties": {"a": {"type": "string"}}})
    assert not signature.is_text() and signature.parse('{"a": "x"}') == {"a": "x"}
