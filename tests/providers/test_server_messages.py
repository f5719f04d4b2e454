"""What servers say, as one readable line."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch.providers.server_messages import one_line, read_server_message


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"error": {"message": "a\n  b\x1b[31m\u202ec"}}, "a b [31m c"),
        ({"errors": "x", "message": "m"}, "m"),
        ({"detail": [{"loc": ["body", 0, "x"], "msg": "wrong"}, {"msg": "worse"}]}, "body.0.x: wrong; worse"),
        ({"error": '{"detail": "nested"}'}, "nested"),
        ({"message": "{not JSON"}, "{not JSON"),
        ({"error": {"code": "only_a_code"}}, "only_a_code"),
        ("<html><body><h1>No &amp; <b>never</b></h1></body></html>", "No & never"),
        ("<!doctype html><p>nothing", "an HTML page"),
        ("  a\tplain\r\ntext ", "a plain text"),
        ({"error": {"message": ""}, "title": "Problem"}, "Problem"),
        ([], ""),
        (None, ""),
    ],
)
def test_the_text(body: Any, text: str) -> None:
    assert read_server_message(body).text == text


def test_names_come_from_the_innermost_error_first_and_are_no_statuses() -> None:
    body = {"type": "error", "error": {"code": "429", "type": "tokens", "status": "X_Y"}}
    assert read_server_message(body).names == ("tokens", "X_Y", "error")


def test_a_long_message_is_shortened() -> None:
    text = one_line("word " * 1000)
    assert len(text) <= 500 and text.endswith("…")


@given(st.text(), st.text(min_size=8))
def test_the_secret_is_masked(text: str, secret: str) -> None:
    assert secret not in read_server_message({"error": {"message": f"{text}{secret}{text}"}}, secret).text.replace(
        "*", ""
    )
