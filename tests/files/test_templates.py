"""Prompt templates: plain names only, and what stands in a row is never interpreted."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch import Document, Image
from kaizen_batch.errors import ConfigError, InputError
from kaizen_batch.files.templates import PromptTemplate


@pytest.mark.parametrize(
    ("template", "row", "prompt"),
    [
        ("Classify: {text}", {"text": "hello"}, "Classify: hello"),
        ("{text}", {"text": ""}, ""),
        ("{a}{b}{a}", {"a": 1, "b": 2}, "121"),
        ("{{literal}} {a}", {"a": "x"}, "{literal} x"),
        ("{a} tail }}", {"a": "x"}, "x tail }"),
        ("{a}", {"a": None}, ""),
        ("{a}", {"a": True}, "true"),
        ("{a}", {"a": 1.5}, "1.5"),
        ("{a}", {"a": ["ü", 1]}, '["ü", 1]'),
        ("{a}", {"a": {"k": "v"}}, '{"k": "v"}'),
        ("{a}", {"a": Decimal("1.10")}, "1.10"),
        ("{a}", {"a": "x", "other": "y"}, "x"),
        ("{two words}", {"two words": "x"}, "x"),
        ("line\n{a}\n", {"a": "x"}, "line\nx\n"),
    ],
)
def test_a_row_makes_a_prompt(template: str, row: dict[str, Any], prompt: str) -> None:
    assert PromptTemplate(template).render(row) == prompt


@given(st.text())
def test_a_text_goes_in_as_it_is(text: str) -> None:
    assert PromptTemplate("<{text}>").render({"text": text}) == f"<{text}>"


@given(before=st.text(), after=st.text(), value=st.text())
def test_escaped_braces_around_a_place_come_out_as_they_were(before: str, after: str, value: str) -> None:
    def escaped(text: str) -> str:
        return text.replace("{", "{{").replace("}", "}}")

    template = PromptTemplate(f"{escaped(before)}{{a}}{escaped(after)}")
    assert template.render({"a": value}) == before + value + after


@pytest.mark.parametrize("value", ["{b}", "{a}", "{0}", "{a.__class__}", "{{", "}", "%s", "$b"])
def test_a_brace_in_a_row_is_never_interpreted(value: str) -> None:
    assert PromptTemplate("{a}|{b}").render({"a": value, "b": "secret"}) == f"{value}|secret"


@pytest.mark.parametrize("row", [{}, {"a": 1}, {"b": 1}, {"A": 1, "b": 2}])
def test_a_row_that_lacks_a_value_has_no_prompt(row: dict[str, Any]) -> None:
    assert PromptTemplate("{a} {b}").render(row) is None


def test_the_columns_are_named_once_and_in_order() -> None:
    assert PromptTemplate("{b} {a} {b}").columns == ("b", "a")


@pytest.mark.parametrize(
    "template",
    [
        "",
        "  \n",
        None,
        7,
        "no place",
        "{{a}}",
        "{}",
        "{a",
        "a}",
        "{a!r}",
        "{a:>10}",
        "{a!}",
        "{a:{b}}",
    ],
)
def test_a_template_that_cannot_be_used_is_refused(template: Any) -> None:
    with pytest.raises(ConfigError, match="template"):
        PromptTemplate(template)


@given(st.text())
def test_any_text_is_a_template_or_a_config_error(text: str) -> None:
    try:
        template = PromptTemplate(text)
    except ConfigError:
        return
    assert isinstance(template.render(dict.fromkeys(template.columns, "x")), str)


def test_check_names_the_missing_columns_and_those_that_are_there() -> None:
    with pytest.raises(ConfigError) as caught:
        PromptTemplate("{a} {b} {c}").check(["b", "id"])
    message = str(caught.value)
    assert "names 'a', 'c'" in message
    assert "have 'b', 'id'" in message


def test_check_says_when_there_are_no_columns() -> None:
    with pytest.raises(ConfigError, match="no columns"):
        PromptTemplate("{a}").check([])


def test_check_is_silent_when_all_are_there_and_takes_an_iterator() -> None:
    PromptTemplate("{a} {b}").check(iter(["b", "a", "c"]))


# More than one text: a system message, images and documents, whole conversations.

IMAGE = Image("a.png")


def item_of(template: PromptTemplate, row: dict[str, Any], **how: Any) -> Any:
    return template.item(row, **how)


def test_a_plain_template_makes_the_prompt_alone() -> None:
    assert item_of(PromptTemplate("Say {a}"), {"a": "x"}) == "Say x"


def test_several_roles_are_filled_from_one_row() -> None:
    template = PromptTemplate("Say {a}", system="You are {role}")
    assert template.columns == ("a", "role") and template.is_rich
    assert item_of(template, {"a": "x", "role": "a cook"}) == {
        "messages": [{"role": "system", "content": "You are a cook"}, {"role": "user", "content": "Say x"}]
    }
    with pytest.raises(InputError, match="no column 'role'"):
        item_of(template, {"a": "x"})


def test_images_and_documents_follow_the_prompt() -> None:
    template = PromptTemplate("Say {a}", images=["photo"], files=["bill"])
    row = {"a": "x", "photo": "a.png", "bill": b"%PDF-"}
    assert item_of(template, row) == [
        {"type": "text", "text": "Say x"},
        {"type": "image_url", "image_url": IMAGE},
        {"type": "file", "file": Document(b"%PDF-")},
    ]
    with pytest.raises(InputError, match="'photo' of this row is empty"):
        item_of(template, {**row, "photo": ""})
    assert len(item_of(template, {**row, "photo": None}, fails_empty=False)) == 2


@pytest.mark.parametrize("cell", [[{"role": "user", "content": "hi"}], '[{"role": "user", "content": "hi"}]'])
def test_a_column_may_hold_whole_conversations(cell: Any) -> None:
    assert item_of(PromptTemplate(messages="chat"), {"chat": cell}) == {"messages": [{"role": "user", "content": "hi"}]}
    with_role = item_of(PromptTemplate(messages="chat", system="Be {how}."), {"chat": cell, "how": "kind"})
    assert [message["role"] for message in with_role["messages"]] == ["system", "user"]


@pytest.mark.parametrize("cell", ["hi", "[", None, [], '{"role": "user"}'])
def test_a_cell_that_is_no_conversation_fails_its_row(cell: Any) -> None:
    with pytest.raises(InputError):
        item_of(PromptTemplate(messages="chat"), {"chat": cell})


def test_a_template_and_messages_exclude_each_other() -> None:
    for more in ({"template": "{a}"}, {"images": ["a"]}, {"files": ["a"]}):
        with pytest.raises(ConfigError, match="the whole conversation"):
            PromptTemplate(messages="chat", **more)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="images must be a list"):
        PromptTemplate("{a}", images="photo")
    with pytest.raises(ConfigError, match="such as"):
        PromptTemplate(system="{a}")


def test_a_row_is_empty_if_nothing_of_it_can_be_asked_about() -> None:
    template = PromptTemplate("Say {a}", images=["photo"], system="You are {role}")
    assert template.is_empty({"a": "", "photo": None, "role": "x"})
    assert not template.is_empty({"a": "", "photo": "a.png", "role": ""})
