"""PromptTemplateNode: rows in, prompts out, untouched."""

from typing import Any

import pytest
from kailash.sdk_exceptions import NodeValidationError

from kaizen_batch import PromptTemplateNode


def batch_of(template: Any, data: Any) -> list[dict[str, Any]]:
    return PromptTemplateNode(template=template).execute(data=data)["batch"]  # type: ignore[no-any-return]


def test_each_row_becomes_a_prompt_in_order() -> None:
    assert batch_of("{a}-{b}", [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]) == [{"prompt": "1-2"}, {"prompt": "3-4"}]


@pytest.mark.parametrize("text", ["{other}", "${data} ${template}", "<script>x</script>", "a\x00b", "🙂", "x" * 50_000])
def test_what_stands_in_a_row_is_not_interpreted(text: str) -> None:
    assert batch_of("Say: {text}", [{"text": text}]) == [{"prompt": f"Say: {text}"}]


def test_double_braces_are_literal() -> None:
    assert batch_of('{{"a": "{a}"}}', [{"a": "x"}]) == [{"prompt": '{"a": "x"}'}]


def test_values_that_are_no_text_go_in_as_json_and_none_as_nothing() -> None:
    assert batch_of("{a}|{b}|{c}", [{"a": 1, "b": ["é"], "c": None}]) == [{"prompt": '1|["é"]|'}]


def test_no_rows_are_an_empty_batch() -> None:
    assert batch_of("{a}", []) == []


def test_a_later_row_without_the_column_gets_none() -> None:
    assert batch_of("{a}", [{"a": "x"}, {"b": "y"}, "no row"]) == [{"prompt": "x"}, {"prompt": None}, {"prompt": None}]


def test_a_first_row_without_the_column_is_a_wrong_template() -> None:
    with pytest.raises(NodeValidationError, match=r"names 'a'.*rows have 'b'"):
        batch_of("{a}", [{"b": "y"}])


@pytest.mark.parametrize("template", [None, "", "   ", 7, "no place", "{}", "{b.c}", "{a[0]}", "{a!r}", "{a:>9}", "{a"])
def test_a_wrong_template_is_named(template: Any) -> None:
    with pytest.raises(NodeValidationError, match="template"):
        batch_of(template, [{"a": "x"}])


@pytest.mark.parametrize("data", ["text", {"a": "x"}, 7, None])
def test_data_that_is_no_list_is_named(data: Any) -> None:
    with pytest.raises(NodeValidationError, match="'data' must be a list"):
        batch_of("{a}", data)


def test_a_template_given_at_run_time_wins_for_that_run() -> None:
    node = PromptTemplateNode(template="one {a}")
    assert node.execute(data=[{"a": "x"}], template="two {a}") == {"batch": [{"prompt": "two x"}]}
    assert node.execute(data=[{"a": "x"}]) == {"batch": [{"prompt": "one x"}]}


def test_a_failed_result_keeps_its_error_and_has_no_prompt() -> None:
    error = {"type": "BadRequestError", "message": "no", "code": "too_rude", "retryable": False}
    failed = {"result": None, "index": 0, "batch": True, "status": "error", "error": error, "attempts": 1}
    rows = [failed, {"result": "fine", "status": "ok", "error": None}]
    batch = PromptTemplateNode().execute(data=rows, template="Again: {result}")["batch"]
    assert batch == [
        {"prompt": None, "batch": True, "index": 0, "status": "error", "error": error},
        {"prompt": "Again: fine"},
    ]


def test_a_row_of_the_users_that_has_a_status_is_a_row() -> None:
    batch = PromptTemplateNode().execute(data=[{"status": "error", "error": "404"}], template="{status} {error}")[
        "batch"
    ]
    assert batch == [{"prompt": "error 404"}]
