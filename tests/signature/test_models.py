"""Pydantic models as schemas, and answers as their values."""

from collections.abc import Callable

import pytest
from pydantic import BaseModel

from kaizen_batch.errors import InvalidOutputError, SignatureError
from kaizen_batch.journal.strict_schema import strict_schema
from kaizen_batch.signature import as_signature
from kaizen_batch.signature.models import loose_model, outputs_as_before, outputs_of, schema_of, text_field
from tests.signature.models_of_tests import MODELS, One, Open, Tuples


@pytest.mark.parametrize("model", MODELS)
def test_the_form_that_keys_are_made_of_is_the_one_that_the_sdk_used_to_send(model: type[BaseModel]) -> None:
    import openai

    sent = openai.pydantic_function_tool(model)["function"]["parameters"]
    kept = {name: value for name, value in sent.items() if name != "description"}
    assert strict_schema(schema_of(model).own) == kept


def test_a_model_without_a_schema_is_refused() -> None:
    class Wrong(BaseModel):
        call: Callable[[], int]

    with pytest.raises(SignatureError, match="Wrong has no JSON schema"):
        schema_of(Wrong)


def test_values_become_json() -> None:
    made = outputs_of(Tuples, {"pair": [1, "a"], "many": [1], "unique": [2], "frozen": ["x"]})
    assert made == {"pair": [1, "a"], "many": [1], "unique": [2], "frozen": ["x"]}


def test_answers_of_earlier_releases_are_read_as_they_were() -> None:
    class Number(BaseModel):
        n: int

    assert outputs_as_before(Number, '```json\n{"n": "1"}\n```') == {"n": 1}
    with pytest.raises(InvalidOutputError):
        outputs_as_before(Number, '{"n": "one"}')
    signature = as_signature(Number)
    assert signature.parse_stored('{"n": "1"}') == {"n": 1}
    with pytest.raises(InvalidOutputError):
        signature.parse('{"n": "1"}')


def test_names_of_results_are_not_overwritten_by_what_the_model_made_up() -> None:
    assert as_signature(Open).parse('{"name": "a", "status": "failed", "more": 1}') == {"name": "a", "more": 1}


def test_a_loose_model_takes_anything_and_knows_its_names() -> None:
    model = loose_model("Outputs", ["json", "b"], "what to do", open_ended=False)
    assert outputs_of(model, {"json": {"x": 1}, "c": 2}) == {"json": {"x": 1}, "b": None}
    assert text_field(model) is None and text_field(One) == "only"
    with pytest.raises(SignatureError):
        loose_model("Outputs", ["_hidden"], "", open_ended=False)
