"""Nothing that a terminal obeys comes through; everything that people write does."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch.results.texts.terminal import laid_out, one_line, printable, wrapped

BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;owned\x07", "\\u001b]0;owned\\u0007"),
        ("\x1b]52;c;ZXZpbA==\x1b\\", "\\u001b]52;c;ZXZpbA==\\u001b\\"),
        ("\x9b2J\x85", "\\u009b2J\\u0085"),
        ("a\rb\x08", "a\\u000db\\u0008"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("\u2028\ufeff\U000e0041", "\\u2028\\ufeff\\udb40\\udc41"),
        ("\ud800", "\\ud800"),
        ("a\tb\nc", "a\tb\nc"),
        ("Zürich, 東京, 👩‍👩‍👧, שלום", "Zürich, 東京, 👩‍👩‍👧, שלום"),
    ],
)
def test_control_characters_become_escapes_and_writing_stays(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_no_control_character_comes_through(text: str) -> None:
    shown = printable(text)
    assert not [sign for sign in shown if unicodedata.category(sign) in ("Cc", "Cs") and sign not in "\n\t"]
    assert not set(shown) & set(BIDI)
    assert printable(shown) == shown
    assert "\n" not in one_line(text)


@given(st.text())
def test_json_stays_the_same_json(text: str) -> None:
    assert json.loads(printable(json.dumps(text, ensure_ascii=False))) == text


@given(st.text(), st.integers(10, 80))
def test_a_shortened_line_is_no_longer_than_asked(text: str, limit: int) -> None:
    assert len(one_line(text, limit)) <= limit


def test_words_are_wrapped_and_not_cut() -> None:
    parts = ["10.5 items/s", "48 s left", "waiting for the endpoint to recover (http://127.0.0.1: connection refused)"]
    lines = wrapped(parts, 30)
    assert max(map(len, lines)) <= 30
    assert lines[0] == "10.5 items/s  48 s left"
    assert " ".join(lines[1:]) == parts[2]


def test_a_text_is_shortened_between_words() -> None:
    text = "the connection to the endpoint was refused"
    assert one_line(text, 30) == "the connection to the..."
    assert one_line("x" * 50, 20) == "x" * 17 + "..."


def test_a_label_and_its_text_are_two_columns() -> None:
    assert laid_out("next", "one two three four five", 26) == ["next      one two three four", "          five"]
    assert laid_out("", "one two", 40) == ["one two"]
