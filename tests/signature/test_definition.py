"""Definitions of signatures that are rejected, each with what is wrong."""

from typing import Any

import pytest
from pydantic import BaseModel

from kaizen_batch.errors import SignatureError
from kaizen_batch.results import ENVELOPE, MODEL_ENVELOPE
from kaizen_batch.signature import InputField, OutputField, Signature, as_signature


@pytest.mark.parametrize("name", ENVELOPE + MODEL_ENVELOPE)
def test_a_reserved_name_is_refused_as_an_output(name: str) -> None:
    with pytest.raises(SignatureError, match=f"the output '{name}'"):
        type("Taken", (Signature,), {"__annotations__": {"a": str, name: int}, "a": InputField(), name: OutputField()})


def test_a_reserved_name_in_a_pydantic_model_is_refused() -> None:
    class Taken(BaseModel):
        status: str

    with pytest.raises(SignatureError, match="the output 'status'"):
        as_signature(Taken)


def test_a_reserved_name_is_fine_as_an_input() -> None:
    class Indexed(Signature):
        index: int = InputField()
        answer: str = OutputField()

    assert Indexed.bind({"index": 3}) == {"index": 3}


def test_an_output_named_with_a_leading_underscore_is_refused() -> None:
    with pytest.raises(SignatureError, match="_hidden"):
        type(
            "Hidden",
            (Signature,),
            {"__annotations__": {"a": str, "_hidden": str}, "a": InputField(), "_hidden": OutputField()},
        )


@pytest.mark.parametrize("mark", [InputField(), OutputField()])
def test_a_field_without_a_type_is_refused(mark: Any) -> None:
    with pytest.raises(SignatureError, match=r"Untyped\.b has no type"):
        type("Untyped", (Signature,), {"__annotations__": {"a": str}, "a": InputField(), "b": mark})


def test_a_type_that_cannot_be_resolved_is_refused() -> None:
    with pytest.raises(SignatureError, match="NoSuchType"):
        type("Lost", (Signature,), {"__annotations__": {"a": "NoSuchType"}, "a": InputField()})


def test_a_signature_without_outputs_is_refused() -> None:
    with pytest.raises(SignatureError, match="has no OutputField"):
        type("Mute", (Signature,), {"__annotations__": {"a": str}, "a": InputField()})


def test_a_signature_without_inputs_is_refused() -> None:
    with pytest.raises(SignatureError, match="has no InputField"):
        type("Deaf", (Signature,), {"__annotations__": {"a": str}, "a": OutputField()})


def test_a_signature_error_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        type("Empty", (Signature,), {})


@pytest.mark.parametrize("name", ["messages", "parse", "bind", "instructions", "inputs", "output_model"])
def test_a_field_with_the_name_of_a_signature_member_is_rejected(name: str) -> None:
    body = {"__annotations__": {name: str, "out": str}, name: InputField(), "out": OutputField()}
    with pytest.raises(SignatureError, match=f"cannot be named '{name}'"):
        type("Clash", (Signature,), body)
