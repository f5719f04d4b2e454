"""The tokens to bill, as servers report them."""

from typing import Any

import pytest

from kaizen_batch.prices import Usage
from kaizen_batch.providers.usage import usage_from_body

USAGES: list[tuple[str, dict[str, Any], Usage | None]] = [
    (
        "OpenAI",
        {
            "prompt_tokens": 9,
            "completion_tokens": 5,
            "total_tokens": 14,
            "completion_tokens_details": {"reasoning_tokens": 3},
            "prompt_tokens_details": {"cached_tokens": 4},
        },
        Usage(9, 5, 4, 3),
    ),
    (
        "xAI: reasoning outside",
        {
            "prompt_tokens": 12,
            "completion_tokens": 1,
            "total_tokens": 1513,
            "completion_tokens_details": {"reasoning_tokens": 1500},
        },
        Usage(12, 1501, 0, 1500),
    ),
    (
        "outside, without a total",
        {"prompt_tokens": 12, "completion_tokens": 1, "completion_tokens_details": {"reasoning_tokens": 1500}},
        Usage(12, 1501, 0, 1500),
    ),
    (
        "outside, at the top",
        {"prompt_tokens": 12, "completion_tokens": 1, "reasoning_tokens": 50},
        Usage(12, 51, 0, 50),
    ),
    ("a total that is too small", {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 3}, Usage(12, 5)),
    (
        "more cached than asked",
        {"prompt_tokens": 3, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 9}},
        Usage(3, 5, 3),
    ),
    ("integral floats", {"prompt_tokens": 3.0, "completion_tokens": 5.0}, Usage(3, 5)),
    ("zeros", {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, None),
    ("no prompt", {"prompt_tokens": 0, "completion_tokens": 5}, None),
    ("a text of no tokens", {"prompt_tokens": 5, "completion_tokens": 0}, None),
    ("booleans", {"prompt_tokens": True, "completion_tokens": True}, None),
    *[
        (f"{value!r}", {"prompt_tokens": value, "completion_tokens": 3}, None)
        for value in (None, "many", [1], -1, 10**13, float("inf"), float("nan"), 1.5)
    ],
    *[(f"{value!r}", {"prompt_tokens": 3, "completion_tokens": value}, None) for value in (None, "many", -1, 10**13)],
]


@pytest.mark.parametrize(("given", "usage"), [row[1:] for row in USAGES], ids=[row[0] for row in USAGES])
def test_usage(given: dict[str, Any], usage: Usage | None) -> None:
    assert usage_from_body({"usage": given}, has_text=True) == usage


def test_an_answer_without_a_text_may_have_no_output_tokens() -> None:
    given = {"prompt_tokens": 10, "completion_tokens": 0, "total_tokens": 10}
    assert usage_from_body({"usage": given}, has_text=False) == Usage(10, 0)


@pytest.mark.parametrize("body", [{}, {"usage": None}, {"usage": []}, {"usage": {"prompt_tokens": 5}}])
def test_no_usage(body: dict[str, Any]) -> None:
    assert usage_from_body(body, has_text=True) is None
