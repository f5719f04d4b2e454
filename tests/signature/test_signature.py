"""Signatures: prompts and answers."""

import json
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, RootModel

from kaizen_batch.errors import InputError, InvalidOutputError, SignatureError
from kaizen_batch.signature import InputField, OutputField, ProcessingSignature, Signature, as_signature


class Triage(Signature):
    """Decide which team
    a ticket belongs to."""

    subject: str = InputField("the first line")
    text: str = InputField()
    lang: str = InputField(default="en")
    team: Literal["billing", "tech"] = OutputField("the team that should answer")
    confidence: float = OutputField("how sure you are", ge=0, le=1)


class Address(BaseModel):
    street: str
    lines: list[str]


class Person(BaseModel):
    """Find the person."""

    name: str
    home: Address
    others: list[Address]
    nickname: str | None = None


class Verdict(Signature):
    text: str = InputField()
    good: bool = OutputField()


def objects_in(schema: Any) -> list[dict[str, Any]]:
    """Every object schema in a schema, at any depth."""
    inner = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else []
    found = [schema] if isinstance(schema, dict) and schema.get("type") == "object" else []
    return found + [each for value in inner for each in objects_in(value)]


def test_the_default_signature_has_a_prompt_and_a_text_result() -> None:
    assert list(ProcessingSignature.inputs) == ["prompt"]
    assert ProcessingSignature.output_fields() == ("result",)
    assert ProcessingSignature.is_text()
    assert ProcessingSignature.json_schema() is None


def test_one_str_output_is_text_and_any_other_is_not() -> None:
    class OneWithBounds(Signature):
        text: str = InputField()
        answer: str = OutputField(max_length=10)

    class Two(Signature):
        text: str = InputField()
        first: str = OutputField()
        second: str = OutputField()

    class Maybe(Signature):
        text: str = InputField()
        answer: str | None = OutputField()

    assert not any(kind.is_text() for kind in (OneWithBounds, Two, Maybe, Verdict, Triage))
    assert all(kind.json_schema() for kind in (OneWithBounds, Two, Maybe, Verdict, Triage))


@pytest.mark.parametrize("kind", [Triage, Verdict, Person])
def test_the_schema_is_strict_at_every_depth(kind: Any) -> None:
    schema = as_signature(kind).answer_schema()
    assert schema is not None and schema.strict is not None
    found = objects_in(schema.strict.schema)
    assert found
    for schema in found:
        assert schema["additionalProperties"] is False
        assert sorted(schema["required"]) == sorted(schema["properties"])


def test_the_schema_keeps_descriptions_and_bounds() -> None:
    schema = Triage.json_schema()
    assert schema is not None
    assert schema["properties"]["team"]["enum"] == ["billing", "tech"]
    assert schema["properties"]["team"]["description"] == "the team that should answer"
    assert (schema["properties"]["confidence"]["minimum"], schema["properties"]["confidence"]["maximum"]) == (0, 1)


def test_the_schema_is_json() -> None:
    assert json.loads(json.dumps(as_signature(Person).json_schema())) == as_signature(Person).json_schema()


@given(st.text())
def test_a_prompt_is_sent_unchanged(text: str) -> None:
    for item in (text, {"prompt": text}, {"prompt": text, "id": 7}):
        assert ProcessingSignature.messages(item) == [{"role": "user", "content": text}]


@given(st.text(), st.text(min_size=1))
def test_a_system_prompt_is_sent_first_and_unchanged(text: str, system: str) -> None:
    assert ProcessingSignature.messages(text, system) == [
        {"role": "system", "content": system},
        {"role": "user", "content": text},
    ]


def test_several_inputs_are_sent_as_named_blocks() -> None:
    messages = Triage.messages({"subject": "Invoice", "text": "a\nb"})
    assert messages[1] == {"role": "user", "content": "subject: Invoice\n\ntext: a\nb\n\nlang: en"}


def test_the_docstring_is_the_instruction_and_inputs_are_described() -> None:
    system = Triage.messages({"subject": "s", "text": "t"}, "Be brief.")[0]
    assert system["role"] == "system"
    assert system["content"] == (
        "Be brief.\n\nDecide which team\na ticket belongs to.\n\nInputs:\n- subject: the first line"
    )


def test_instructions_win_over_the_docstring() -> None:
    class Shout(Signature):
        """Not this."""

        instructions = "SHOUT"
        text: str = InputField()
        loud: str = OutputField()

    assert Shout.messages("x")[0]["content"] == "SHOUT"


def test_without_instructions_there_is_no_system_message() -> None:
    assert [message["role"] for message in Verdict.messages("x")] == ["user"]


@pytest.mark.parametrize(
    ("value", "content"),
    [(7, "7"), (True, "true"), (["ü"], '["ü"]'), ({"a": None}, '{"a": null}'), ({1}, "{1}"), (1.5, "1.5"), ("", "")],
)
def test_an_input_that_is_not_text_is_sent_as_json(value: Any, content: str) -> None:
    assert ProcessingSignature.messages({"prompt": value})[-1]["content"] == content


def test_an_input_with_a_default_may_be_omitted_or_none() -> None:
    item = {"subject": "s", "text": "t"}
    assert Triage.bind(item)["lang"] == Triage.bind({**item, "lang": None})["lang"] == "en"
    assert Triage.bind({**item, "lang": "de"})["lang"] == "de"


def test_other_keys_of_an_item_are_ignored() -> None:
    assert Verdict.bind({"text": "x", "id": 7}) == {"text": "x"}


@pytest.mark.parametrize(
    ("kind", "item", "parts"),
    [
        (Triage, {"subject": "s"}, ["the input 'text' is missing", "given: a dict with 'subject'"]),
        (Triage, {"subject": "s", "text": None}, ["the input 'text' is None"]),
        (Triage, "a text", ["a dict with 'subject', 'text', 'lang'", "type str"]),
        (Verdict, {}, ["the input 'text' is missing", "a text or a dict with 'text'", "no keys"]),
        (Verdict, None, ["type NoneType"]),
        (Verdict, 7, ["type int"]),
        (Verdict, ["x"], ["type list"]),
        (Verdict, b"x", ["type bytes"]),
    ],
)
def test_an_item_that_does_not_fit_is_rejected_by_name(kind: type[Signature], item: Any, parts: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        kind.bind(item)
    assert not [part for part in parts if part not in str(caught.value)]


def test_a_bind_error_names_keys_and_never_values() -> None:
    with pytest.raises(InputError) as caught:
        Triage.bind({"subject": "private words"})
    assert "private words" not in str(caught.value)


@given(st.text())
def test_a_text_answer_is_the_output(text: str) -> None:
    assert ProcessingSignature.parse(text) == {"result": text}


ANSWER = {"team": "tech", "confidence": 0.5}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ANSWER),
        f"  {json.dumps(ANSWER)}\n",
        f"```json\n{json.dumps(ANSWER)}\n```",
        f"```\n{json.dumps(ANSWER, indent=2)}\n```\n",
        f"\n ```json \n{json.dumps(ANSWER)}\n ```",
    ],
)
def test_json_is_accepted_with_and_without_a_fence(text: str) -> None:
    assert Triage.parse(text) == ANSWER


@pytest.mark.parametrize(
    "text",
    [
        "",
        "purple words",
        '{"team": "tech", "confidence": 0.5',
        '{"team": "purple", "confidence": 0.5}',
        '{"team": "tech", "confidence": 17}',
        '{"team": "tech", "confidence": "purple"}',
        '{"team": "tech"}',
        '{"team": "tech", "confidence": 0.5, "purple": 1}',
        '["purple"]',
        '"purple"',
        "null",
        "7",
        "```json\npurple\n```",
    ],
)
def test_an_answer_that_does_not_fit_is_rejected_without_quoting_it(text: str) -> None:
    with pytest.raises(InvalidOutputError) as caught:
        Triage.parse(text)
    assert "the answer does not fit the signature" in str(caught.value)
    assert "purple" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_the_error_names_the_field() -> None:
    with pytest.raises(InvalidOutputError, match=r"home\.street"):
        as_signature(Person).parse('{"name": "n", "home": {"lines": []}, "others": []}')


@settings(deadline=None)
@given(st.text(alphabet=st.characters()) | st.text(alphabet=st.characters(categories=["Cs", "L"])))
def test_any_text_is_valid_or_an_invalid_output(text: str) -> None:
    for kind in (Triage, Verdict):
        with pytest.raises(InvalidOutputError):
            kind.parse(text if text.strip() != "null" else "")


@settings(deadline=None)
@given(team=st.sampled_from(["billing", "tech"]), confidence=st.floats(0, 1))
def test_dumped_outputs_are_parsed_back(team: str, confidence: float) -> None:
    outputs = {"team": team, "confidence": confidence}
    assert Triage.parse(json.dumps(outputs)) == outputs


def test_a_pydantic_model_makes_a_signature_with_a_prompt() -> None:
    signature = as_signature(Person)
    assert list(signature.inputs) == ["prompt"]
    assert signature.output_fields() == ("name", "home", "others", "nickname")
    assert signature.__name__ == "Person"
    assert signature.messages("Who?") == [
        {"role": "system", "content": "Find the person."},
        {"role": "user", "content": "Who?"},
    ]


def test_the_outputs_of_a_pydantic_model_are_plain_json_values() -> None:
    address = {"street": "s", "lines": ["l"]}
    answer = {"name": "n", "home": address, "others": [address], "nickname": None}
    assert as_signature(Person).parse(json.dumps(answer)) == answer


def test_the_same_model_makes_the_same_signature() -> None:
    assert as_signature(Person) is as_signature(Person)


def test_a_class_or_an_instance_is_accepted() -> None:
    assert as_signature(Triage) is Triage
    assert as_signature(Triage()) is Triage


@pytest.mark.parametrize(
    "thing",
    [None, "text -> team", 7, dict, str, {"team": str}, Person(name="n", home=Address(street="", lines=[]), others=[])],
)
def test_anything_else_is_rejected(thing: Any) -> None:
    with pytest.raises(SignatureError, match="a signature is a subclass of Signature"):
        as_signature(thing)


def test_a_model_without_fields_is_refused() -> None:
    with pytest.raises(SignatureError, match="no OutputField"):
        as_signature(BaseModel)


def test_a_subclass_inherits_fields_and_instructions() -> None:
    class Detailed(Triage):
        reason: str = OutputField("why")

    assert list(Detailed.inputs) == ["subject", "text", "lang"]
    assert Detailed.output_fields() == ("team", "confidence", "reason")
    assert Detailed.instructions == Triage.instructions
    assert Triage.output_fields() == ("team", "confidence")


def test_a_subclass_may_change_a_field_and_the_instructions() -> None:
    class Wider(Triage):
        """Something else."""

        team: Literal["billing", "tech", "sales"] = OutputField()

    assert Wider.instructions == "Something else."
    assert Wider.parse('{"team": "sales", "confidence": 0}')["team"] == "sales"
    with pytest.raises(InvalidOutputError):
        Triage.parse('{"team": "sales", "confidence": 0}')


def test_a_root_model_is_refused() -> None:
    with pytest.raises(SignatureError, match="with fields"):
        as_signature(RootModel[list[str]])


def test_desc_is_another_name_for_the_description() -> None:
    class Described(Signature):
        text: str = InputField(desc="what to count")
        count: int = OutputField(desc="how many", ge=0)

    assert Described.inputs["text"].description == "what to count"
    schema = Described.json_schema()
    assert schema is not None
    assert schema["properties"]["count"]["description"] == "how many"
    assert "desc" not in schema["properties"]["count"]


def test_an_output_takes_no_unknown_keyword() -> None:
    with pytest.raises(SignatureError, match="OutputField has no 'max_lenght': did you mean 'max_length'"):
        OutputField("x", max_lenght=3)
    with pytest.raises(SignatureError, match="OutputField has no 'whatever': it takes"):
        OutputField(whatever=3)
