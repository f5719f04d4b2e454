"""What was asked and answered, as text."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from kaizen_batch import Entry, StoredAnswer
from kaizen_batch.report.texts import MOST, answered, asked, passage, shared_head


def entry(request: str = "{}", answer: StoredAnswer | None = None) -> Entry:
    return Entry(b"", "done", 0, request, 1, None, None, answer, None, 0.0, 0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}]}, "hello"),
        ({"messages": [{"content": [{"type": "text", "text": "see"}, {"type": "image_url"}]}]}, "see\n[image_url]"),
        ({"messages": [{"content": None}]}, "null"),
        ({"messages": []}, '{\n  "messages": []\n}'),
        ({"city": "Gdańsk"}, '{\n  "city": "Gdańsk"\n}'),
        ([1], "[\n  1\n]"),
    ],
)
def test_the_input_is_the_last_message_or_all_there_is(body: Any, expected: str) -> None:
    assert asked(entry(json.dumps(body))) == expected


def test_a_request_that_is_no_json_is_shown_as_it_is() -> None:
    assert asked(entry("not JSON")) == "not JSON"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (None, ""),
        (StoredAnswer(), ""),
        (StoredAnswer(text="yes"), "yes"),
        (StoredAnswer(refusal="I will not"), "I will not"),
        (StoredAnswer(value={"letters": 4}), '{\n  "letters": 4\n}'),
    ],
)
def test_the_answer_is_what_came(answer: StoredAnswer | None, expected: str) -> None:
    assert answered(entry(answer=answer)) == expected


@given(some.text(max_size=1000), some.integers(1, 300))
def test_a_passage_keeps_its_text(text: str, head: int) -> None:
    shown = passage(text, head)
    assert shown.whole == text
    assert text.startswith(shown.head)
    assert len(shown.head) <= head * 1.2
    assert shown.is_cut == (shown.head != text)


def test_of_a_very_long_text_the_page_has_a_part_and_says_so() -> None:
    shown = passage("word " * 10_000)
    assert (len(shown.whole), shown.left_out, shown.length) == (MOST, 50_000 - MOST, 50_000)


def test_a_beginning_that_all_prompts_share_is_found_up_to_a_word() -> None:
    head = "You are a careful assistant of the support desk. Read the ticket and answer. Ticket: "
    assert shared_head([f"{head}number {n}" for n in (11, 12, 13)]) == f"{head}number "
    assert shared_head([f"{head}{n}" for n in (1, 2)]) == ""
    assert shared_head(["Classify: a", "Classify: b", "Classify: c"]) == ""
