"""The outputs of a result are found again among the fields of its envelope."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch.results import ENVELOPE, MODEL_ENVELOPE, ItemResult, outputs_of

FROM_MODEL = st.dictionaries(st.text().filter(lambda name: name not in ENVELOPE + MODEL_ENVELOPE), st.integers())
FROM_FUNCTION = st.dictionaries(st.text().filter(lambda name: name not in ENVELOPE), st.integers())


@given(FROM_MODEL, st.none() | st.text())
def test_the_outputs_of_a_model_are_found_again(outputs: dict[str, Any], reasoning: str | None) -> None:
    assert outputs_of(ItemResult(index=0, outputs=outputs, reasoning=reasoning).to_dict()) == outputs


@given(FROM_FUNCTION)
def test_the_outputs_of_a_function_are_found_again(outputs: dict[str, Any]) -> None:
    assert outputs_of(ItemResult(index=0, outputs=outputs, from_model=False).to_dict()) == outputs


@pytest.mark.parametrize(("outputs", "shown"), [({"reasoning": "own"}, "own"), ({}, "the model's")])
def test_an_output_called_reasoning_is_kept_in_place_of_the_models(outputs: dict[str, Any], shown: str) -> None:
    result = ItemResult(index=0, outputs=outputs, reasoning="the model's").to_dict()
    assert (result["reasoning"], outputs_of(result)) == (shown, outputs)
