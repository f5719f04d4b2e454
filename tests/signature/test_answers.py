"""What an answer's schema accepts: exactly what an independent validator accepts, however the answer is written."""

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaizen_batch.errors import InvalidOutputError, SignatureError
from kaizen_batch.signature.answers import AnswerSchema, schema_text
from kaizen_batch.simulator.structured import strict_faults

NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        inner.map(lambda each: {"type": "array", "items": each}),
        inner.map(lambda each: {"type": "object", "additionalProperties": each}),
        st.lists(inner, min_size=2, max_size=2).map(lambda each: {"oneOf": each}),
        st.lists(inner, min_size=2, max_size=3).map(lambda each: {"anyOf": each}),
        st.lists(inner, min_size=1, max_size=2).map(
            lambda each: {"type": "array", "prefixItems": each, "minItems": len(each), "maxItems": len(each)}
        ),
        st.dictionaries(st.sampled_from("abc"), inner, min_size=1, max_size=3).flatmap(
            lambda fields: st.sets(st.sampled_from(sorted(fields))).map(
                lambda required: {"type": "object", "properties": fields, "required": sorted(required)}
            )
        ),
    )


SCALARS: st.SearchStrategy[Any] = st.sampled_from(
    [
        {"type": "string"},
        {"type": "integer"},
        {"type": "number", "minimum": 0},
        {"type": "boolean"},
        {"type": "null"},
        {"enum": ["a", "b", 1]},
        {"const": "k"},
        {"type": ["string", "null"]},
        {"type": "string", "maxLength": 2},
        {"type": "array", "items": {"type": "integer"}, "uniqueItems": True},
    ]
)
SCHEMAS = st.dictionaries(st.sampled_from("xyz"), st.recursive(SCALARS, schemas, max_leaves=5), min_size=1).flatmap(
    lambda fields: st.sets(st.sampled_from(sorted(fields))).map(
        lambda required: {
            "type": "object",
            "properties": fields,
            "required": sorted(required),
            "additionalProperties": False,
        }
    )
)
LEAVES = st.none() | st.booleans() | st.sampled_from([0, 1, 2.0, 2.5, -3, "a", "b", "k", "abc", "1"])
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcxyz"), inner, max_size=3),
    max_leaves=6,
)
WRAPPINGS = st.sampled_from(["{}", "```json\n{}\n```", "<think>{{hm}}</think>{}", "It is {} I think", "{}<|im_end|>"])


def fitting(schema: Any) -> st.SearchStrategy[Any]:
    """Values that mostly fit a schema."""
    if "anyOf" in schema or "oneOf" in schema:
        return st.one_of([fitting(each) for each in schema.get("anyOf", schema.get("oneOf"))])
    if "prefixItems" in schema:
        return st.tuples(*(fitting(each) for each in schema["prefixItems"])).map(list)
    if schema.get("type") == "array":
        return st.lists(fitting(schema["items"]), max_size=2)
    if "properties" in schema:
        required = {name: fitting(schema["properties"][name]) for name in schema["required"]}
        rest = {name: fitting(each) for name, each in schema["properties"].items() if name not in required}
        return st.fixed_dictionaries(required, optional=rest)
    if schema.get("type") == "object":
        return st.dictionaries(st.sampled_from("abc"), fitting(schema["additionalProperties"]), max_size=2)
    kinds = {"string": st.sampled_from(["", "a", "bc"]), "integer": st.sampled_from([0, 1, 7]), "null": st.none()}
    own = schema.get("enum") or ([schema["const"]] if "const" in schema else None)
    return st.sampled_from(own) if own else kinds.get(str(schema.get("type")), LEAVES)


def read(schema: AnswerSchema, text: str) -> Any:
    try:
        return schema.read(text)
    except InvalidOutputError:
        return InvalidOutputError


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_an_answer_counts_if_and_only_if_an_independent_validator_accepts_it(data: st.DataObject) -> None:
    schema = data.draw(SCHEMAS)
    value = data.draw(fitting(schema) | st.dictionaries(st.sampled_from("xyz"), VALUES, max_size=3))
    judge = jsonschema.Draft202012Validator(schema)
    answer = AnswerSchema(schema)
    text = data.draw(WRAPPINGS).format(json.dumps(value))
    found = read(answer, text)
    if judge.is_valid(value):
        assert found == value and json.dumps(found) == json.dumps(value)
    elif found is not InvalidOutputError:  # the strict form of an answer, turned back
        assert answer.strict is not None and jsonschema.Draft202012Validator(answer.strict.schema).is_valid(value)
        assert judge.is_valid(found)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_the_strict_form_is_strict_and_what_fits_it_can_be_turned_back(data: st.DataObject) -> None:
    schema = data.draw(SCHEMAS)
    answer = AnswerSchema(schema)
    assert answer.strict is not None, answer.why_not_strict
    assert list(strict_faults(answer.strict.schema)) == []
    value = data.draw(fitting_strictly(answer.strict.schema))
    if jsonschema.Draft202012Validator(answer.strict.schema).is_valid(value):
        found = read(answer, json.dumps(value))
        if found is not InvalidOutputError:
            assert jsonschema.Draft202012Validator(schema).is_valid(found)
        else:  # only what strict mode cannot say may have been broken
            assert any(word in json.dumps(schema) for word in ("maxLength", "uniqueItems", "oneOf", "additionalProp"))


def fitting_strictly(schema: Any) -> st.SearchStrategy[Any]:
    """Values of a strict schema."""
    if "anyOf" in schema:
        return st.one_of([fitting_strictly(each) for each in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema["type"] == "object":
        return st.fixed_dictionaries({name: fitting_strictly(each) for name, each in schema["properties"].items()})
    if schema["type"] == "array":
        return st.lists(fitting_strictly(schema["items"]), max_size=2)
    return fitting({"type": schema["type"]})


@pytest.mark.parametrize("text", ['{"n": true}', '{"n": "1"}', '{"n": 1.5}', '{"n": null}', "{}", "[1]", '{"n": NaN}'])
def test_a_value_of_another_type_does_not_fit(text: str) -> None:
    with pytest.raises(InvalidOutputError):
        AnswerSchema(NUMBER).read(text)


def test_of_several_values_the_one_that_fits_counts() -> None:
    schema = AnswerSchema(NUMBER)
    assert schema.read('Given {"q": 1}, the answer is {"n": 2}') == {"n": 2}
    assert schema.read('{"n": 2} I repeat: {"n": 2}') == {"n": 2}
    with pytest.raises(InvalidOutputError, match="ambiguous"):
        schema.read('{"n": 1} or {"n": 2}')
    with pytest.raises(InvalidOutputError, match="ambiguous"):
        schema.read('{"m": 1} or {"q": 2}')


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"team": "secret"}, 'team: the value is not one of "a" or "b"'),
        ({}, "team: it is missing"),
        ({"team": "a", "secret": 1}, "it has a property that the schema does not have"),
        ({"team": "a", "inner": {"n": "secret"}}, 'inner.n: the value is not of type "integer"'),
        ({"team": "a", "map": {"secret": "x"}}, 'map: the value is not of type "integer"'),
        (["secret"], 'the value is not of type "object"'),
    ],
)
def test_an_error_names_the_place_and_quotes_nothing(value: Any, said: str) -> None:
    properties = {
        "team": {"enum": ["a", "b"]},
        "inner": NUMBER,
        "map": {"type": "object", "additionalProperties": {"type": "integer"}},
    }
    schema = {"type": "object", "properties": properties, "required": ["team"], "additionalProperties": False}
    with pytest.raises(InvalidOutputError) as caught:
        AnswerSchema(schema).read(json.dumps(value))
    assert said in str(caught.value) and "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "objekt"}, "no valid JSON schema"),
        ({"type": "object", "properties": {"a": {"$ref": "#/$defs/x"}}}, "no valid JSON schema"),
        ({"type": "object", "properties": {"a": {"$ref": "https://a.example/b.json"}}}, "put it into $defs"),
        ({"type": "object", "properties": {"a": {"pattern": "("}}}, "no valid JSON schema"),
    ],
)
def test_a_schema_that_is_none_is_refused_before_any_call(schema: Any, said: str) -> None:
    with pytest.raises(SignatureError) as caught:
        AnswerSchema(schema)
    assert said in str(caught.value)


def test_formats_hold_if_they_are_conditions() -> None:
    schema = {"type": "object", "properties": {"day": {"type": "string", "format": "date"}}}
    assert AnswerSchema(schema).read('{"day": "soon"}') == {"day": "soon"}
    with pytest.raises(InvalidOutputError, match="day"):
        AnswerSchema(schema, formats=True).read('{"day": "soon"}')


def test_the_instruction_holds_the_schema_as_it_is() -> None:
    text = schema_text(NUMBER)
    assert json.loads(text[text.index("{") :]) == NUMBER
