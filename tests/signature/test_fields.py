"""The fields of a signature's class body."""

import pytest

from kaizen_batch import SignatureError
from kaizen_batch.signature.fields import InputField, InputFieldMark, OutputField, OutputFieldMark


def test_a_field_leaves_a_mark_with_its_description() -> None:
    first, second = InputField("what to ask", default="x"), OutputField(desc="the answer", ge=0)
    assert isinstance(first, InputFieldMark) and (first.description, first.default) == ("what to ask", "x")
    assert isinstance(second, OutputFieldMark) and second.info.description == "the answer"


def test_a_constraint_that_pydantic_does_not_have_is_refused() -> None:
    with pytest.raises(SignatureError, match="OutputField has no 'maximun'"):
        OutputField("x", maximun=5)
