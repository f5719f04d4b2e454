"""Made-up answers: they always fit the schema they were asked for."""

from datetime import date
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, create_model

from kaizen_batch.providers.canned import canned_answer
from kaizen_batch.signature import as_signature


class Inner(BaseModel):
    flag: bool
    word: str


class Tree(BaseModel):
    label: str
    children: list["Tree"]


TYPES: list[Any] = [
    str, int, float, bool, Literal["a", "b"], list[int], list[Inner], Inner, str | None, date,
    Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(gt=0, lt=1)], Annotated[int, Field(gt=5, le=6)],
    Annotated[int, Field(le=-5)], Annotated[str, Field(min_length=20)], Annotated[str, Field(max_length=2)],
]  # fmt: skip


@pytest.mark.parametrize("kind", TYPES, ids=str)
@settings(deadline=None, max_examples=50)
@given(prompt=st.text())
def test_an_answer_always_fits(kind: Any, prompt: str) -> None:
    signature = as_signature(create_model("Model", value=(kind, ...), other=(bool, ...)))
    signature.parse(canned_answer(signature.messages(prompt), signature.json_schema()))


def test_an_answer_fits_a_recursive_model() -> None:
    signature = as_signature(Tree)
    signature.parse(canned_answer(signature.messages("x"), signature.json_schema()))
