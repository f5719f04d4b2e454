"""Answers in the strict form of a schema, turned back."""

import json
from typing import Any

import pytest

from kaizen_batch.errors import InvalidOutputError
from kaizen_batch.signature.answers import AnswerSchema

SCHEMA = {
    "type": "object",
    "properties": {
        "tags": {"type": "object", "additionalProperties": {"$ref": "#/$defs/Pair"}},
        "note": {"type": "string"},
        "maybe": {"type": ["string", "null"]},
        "choice": {"oneOf": [{"type": "integer"}, {"type": "object", "additionalProperties": {"type": "integer"}}]},
    },
    "required": ["tags"],
    "$defs": {
        "Pair": {
            "type": "array",
            "prefixItems": [{"type": "integer"}, {"type": "string"}],
            "minItems": 2,
            "maxItems": 2,
        }
    },
}


def read(value: Any) -> Any:
    return AnswerSchema(SCHEMA).read(json.dumps(value))


def test_maps_tuples_and_absent_properties_are_turned_back() -> None:
    strict = {
        "tags": [{"key": "a", "value": {"item_1": 1, "item_2": "x"}}],
        "note": None,
        "maybe": None,
        "choice": [{"key": "b", "value": 2}],
    }
    assert read(strict) == {"tags": {"a": [1, "x"]}, "maybe": None, "choice": {"b": 2}}


def test_an_answer_in_the_form_of_the_schema_itself_stays() -> None:
    own = {"tags": {"a": [1, "x"]}, "choice": 5}
    assert read(own) == own


@pytest.mark.parametrize(
    "tags",
    [
        [{"key": "a", "value": {"item_1": 1}}],
        [{"key": "a", "value": {"item_1": 1, "item_2": "x"}}, {"key": "a", "value": {"item_1": 2, "item_2": "y"}}],
        [{"key": 1, "value": {"item_1": 1, "item_2": "x"}}],
        [{"name": "a"}],
    ],
)
def test_what_is_neither_is_refused(tags: Any) -> None:
    with pytest.raises(InvalidOutputError):
        read({"tags": tags})
