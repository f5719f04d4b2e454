"""The strict form of a schema: closed, complete, idempotent, and the one that the official SDK makes."""

import openai
import pytest
from pydantic import BaseModel, Field

from kaizen_batch.journal.strict_schema import strict_schema


class Inner(BaseModel):
    note: str | None = None


class Answer(BaseModel):
    team: str = Field(description="who answers")
    scores: list[float]
    inner: Inner = Field(description="with a description beside the reference")


@pytest.mark.parametrize("model", [Inner, Answer])
def test_it_is_the_form_that_the_sdk_sends(model: type[BaseModel]) -> None:
    assert strict_schema(model.model_json_schema()) == openai.pydantic_function_tool(model)["function"]["parameters"]


@pytest.mark.parametrize("model", [Inner, Answer])
def test_the_strict_form_of_a_strict_form_is_itself(model: type[BaseModel]) -> None:
    once = strict_schema(model.model_json_schema())
    assert strict_schema(once) == once


def test_the_argument_is_not_changed() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "default": None}}}
    strict = strict_schema(schema)
    assert schema == {"type": "object", "properties": {"n": {"type": "integer", "default": None}}}
    assert strict["properties"] == {"n": {"type": "integer"}}


def test_a_reference_to_itself_ends() -> None:
    schema = {"$ref": "#/$defs/a", "title": "t", "$defs": {"a": {"$ref": "#/$defs/a", "x": 1}}}
    assert isinstance(strict_schema(schema), dict)
