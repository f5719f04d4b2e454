"""The strict form: which schemas have one, and what it looks like."""

from typing import Any

import pytest
from pydantic import BaseModel

from kaizen_batch.signature.models import schema_of
from kaizen_batch.signature.strict import NotStrictError, is_map, is_tuple, resolved, strict_form
from kaizen_batch.simulator.structured import strict_faults
from tests.signature.models_of_tests import MODELS, NOT_STRICT, Amounts, Inner, Maps, Nested, Optionals, Pet, Tuples


def of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


@pytest.mark.parametrize("model", [model for model in MODELS if model not in NOT_STRICT])
def test_the_form_of_a_model_has_no_fault(model: type[BaseModel]) -> None:
    assert list(strict_faults(strict_form(schema_of(model).own).schema)) == []


@pytest.mark.parametrize(
    ("model", "changed"),
    [(Pet, False), (Inner, False), (Amounts, False), (Maps, True), (Tuples, True), (Optionals, True)],
)
def test_only_what_needs_a_way_back_is_marked(model: type[BaseModel], changed: bool) -> None:
    assert strict_form(schema_of(model).own).changed is changed


def test_descriptions_stay_also_beside_a_reference() -> None:
    form = strict_form(Nested.model_json_schema()).schema
    assert form["properties"]["inner"]["description"] == "beside the reference"
    assert form["$defs"]["Inner"]["properties"]["flag"]["description"] == "yes or no"


def test_what_strict_mode_does_not_know_is_told_in_words() -> None:
    form = strict_form(
        of(
            a={
                "type": "string",
                "format": "uri",
                "description": "a link",
                "minLength": 2,
                "default": "x",
                "examples": ["y"],
            },
            b={"type": "string", "format": "date"},
            c={"type": "string", "pattern": "^(?!x)"},
            d={"type": "string", "pattern": "^x+$"},
        )
    )
    assert form.schema["properties"] == {
        "a": {"type": "string", "description": "a link (format: uri, minLength: 2)"},
        "b": {"type": "string", "format": "date"},
        "c": {"type": "string", "description": "(pattern: ^(?!x))"},
        "d": {"type": "string", "pattern": "^x+$"},
    }


DEEP: dict[str, Any] = {"type": "string"}
for _ in range(12):
    DEEP = of(a=DEEP)


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "array", "items": {"type": "string"}}, "not an object"),
        ({"anyOf": [of(a={"type": "string"})]}, "not an object"),
        (of(a={}), "allows anything"),
        (of(a={"description": "anything"}), "allows anything"),
        (of(a={"type": "object"}), "properties of any name"),
        ({**of(a={"type": "string"}), "additionalProperties": True}, "properties of any name"),
        ({**of(a={"type": "string"}), "additionalProperties": {"type": "string"}}, "properties of any name"),
        (of(a={"not": {"type": "string"}}), "'not'"),
        (of(a={"type": "object", "patternProperties": {"^a": {"type": "string"}}}), "'patternProperties'"),
        (of(a={"type": "array"}), "a list of anything"),
        (of(a={"type": "array", "prefixItems": [{"type": "string"}]}), "a list of anything"),
        (of(a={"allOf": [{"type": "string"}, {"minLength": 2}]}), "several 'allOf'"),
        (of(a={"enum": [{"b": 1}]}), "an object or a list"),
        (of(a={"enum": list(range(1001))}), "more than 1000 values"),
        (of(**{f"a{n}": {"type": "string"} for n in range(5001)}), "more than 5000 properties"),
        (of(a={"anyOf": [{"type": "string"}], "properties": {}}), "a choice with other conditions"),
        (DEEP, "10 levels"),
    ],
)
def test_what_has_no_strict_form_is_named(schema: dict[str, Any], why: str) -> None:
    with pytest.raises(NotStrictError, match=why):
        strict_form(schema)


def test_references_anywhere_get_a_name_of_their_own() -> None:
    parts = {"a/b": {"type": "integer"}, "a_b": {"type": "string"}}
    schema = {**of(a={"$ref": "#/$defs/a~1b"}, b={"$ref": "#/$defs/a_b"}), "$defs": parts}
    form = strict_form(schema).schema
    names = [form["properties"][name]["$ref"] for name in "ab"]
    assert len(set(names)) == 2
    assert [resolved(name, form)["type"] for name in names] == ["integer", "string"]


def test_maps_and_tuples_are_told_apart_from_other_objects_and_lists() -> None:
    assert is_map({"type": "object", "additionalProperties": {"type": "string"}})
    assert not is_map({"type": "object", "additionalProperties": True})
    assert not is_map(of(a={"type": "string"}))
    assert is_tuple({"prefixItems": [{}], "minItems": 1, "maxItems": 1})
    assert is_tuple({"prefixItems": [{}], "minItems": 1, "items": False})
    assert not is_tuple({"prefixItems": [{}]})
