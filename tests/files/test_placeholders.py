"""Placeholders: where they are in a text, and what they read from a row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch.errors import ConfigError
from kaizen_batch.files.placeholders import ABSENT, columns_of, is_template, parse, source_column, values_of

ROW = {"a.b": 1, "a": {"b": 2, "c": [{"d": 3}], "none": None}}


def test_a_text_is_cut_at_its_placeholders() -> None:
    parts = list(parse('{a} {{and}} {"b "":} c"}!{a}'))
    assert parts == [("", "a"), (" {and} ", 'b ":} c'), ("!", "a"), ("", None)]
    assert columns_of(parts) == ("a", 'b ":} c')


@given(st.text())
def test_a_text_whose_braces_are_escaped_is_one_part(text: str) -> None:
    assert list(parse(text.replace("{", "{{").replace("}", "}}"))) == [(text, None)]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{a:b}", "which is not the plain name of a column; a name with"),
        ("{a:b}", 'is written {"a:b"}'),
        ("a }", "a stray } at character 3"),
        ("{", "a stray {"),
    ],
)
def test_a_stray_brace_is_refused_with_its_place(template: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        list(parse(template))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        ("a.b", "a.b", 1),
        ("a.c.0.d", "a", 3),
        ("a.none.more", "a", None),
        ("a.c.1", "a", ABSENT),
        ("a.c.-1", "a", ABSENT),
        ("a.x", "a", ABSENT),
        ("b", None, ABSENT),
    ],
)
def test_a_name_reads_its_own_column_or_reaches_into_one(name: str, column: str | None, value: object) -> None:
    assert source_column(name, ROW) == column
    assert values_of(ROW, [name]) == {name: value}


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("You are {role}", True),
        ("Be brief.", False),
        ('As {"a": 1}', False),
        ("{{x}}", False),
        ("{", False),
        ("", False),
    ],
)
def test_which_texts_are_templates(text: str, is_one: bool) -> None:
    assert is_template(text) is is_one
