"""A key does not get out of a server's message, however it is written there; and short keys spoil no words."""

import base64
import json
import string
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch.providers.redaction import redacted
from kaizen_batch.providers.server_messages import one_line, read_server_message

KEY = 'sk-proj-Ab/+c"9\\xYz_0123456789-QRSTuvwxyz'

LOWER = quote(KEY, safe="").replace("%2F", "%2f").replace("%2B", "%2b").replace("%5C", "%5c")


@pytest.mark.parametrize(
    "written",
    [
        KEY, quote(KEY), quote(KEY, safe=""), LOWER, quote_plus(KEY), json.dumps(KEY),
        json.dumps(KEY).replace("/", "\\/"), base64.b64encode(KEY.encode()).decode(),
        base64.b64encode(f"user:{KEY}".encode()).decode(), base64.b64encode(f"u:{KEY}".encode()).decode(),
        base64.urlsafe_b64encode(f"Bearer {KEY}".encode()).decode(), base64.b64encode(f"{KEY}:".encode()).decode(),
        f"{KEY[:20]}...", f"{KEY[:16]}****", KEY[:-1],
    ],
)  # fmt: skip
def test_a_key_is_redacted_in_every_common_form(written: str) -> None:
    for said in (f"wrong key {written}", f"<{written}>", f'{{"key": "{written}"}}'):
        found = redacted(said, KEY)
        assert "***" in found
        for part in (KEY[12:24], written[16:30]):
            assert part not in found or len(part) < 8


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("ollama", "the ollamas of Ollama use ollama", "the ollamas of Ollama use ***"),
        ("x", "max_tokens exceeds x", "max_tokens exceeds ***"),
        ("none", "none of nonesuch", "*** of nonesuch"),
        ("EMPTY", "EMPTYING is not EMPTY.", "EMPTYING is not ***."),
        ("not-needed", "it was not-needed-at-all", "it was not-needed-at-all"),
        ("password", "passwords", "passwords"),
        ("", "nothing is redacted", "nothing is redacted"),
    ],
)
def test_a_short_or_common_key_is_redacted_as_a_word_only(key: str, text: str, expected: str) -> None:
    assert redacted(text, key) == expected


def test_of_several_keys_each_is_redacted() -> None:
    assert redacted("aaaaaaaaaa and bbbbbbbbbb", "aaaaaaaaaa\nbbbbbbbbbb") == "*** and ***"


def test_the_common_beginning_of_keys_is_no_secret() -> None:
    assert redacted("keys begin with sk-proj-", KEY) == "keys begin with sk-proj-"


def test_messages_and_names_of_errors_are_redacted() -> None:
    body = {"error": {"message": f"bad {quote(KEY, safe='')}", "code": "sk-proj-0123456789abcdef"}}
    found = read_server_message(body, f"{KEY}\nsk-proj-0123456789abcdef")
    assert found.text == "bad ***" and not found.names
    assert one_line(f"a {KEY} b", KEY) == "a *** b"


@given(st.text(string.ascii_letters + string.digits + "-_", min_size=24, max_size=200), st.binary(max_size=5))
def test_base64_at_any_offset_gives_nothing_away(key: str, before: bytes) -> None:
    said = base64.b64encode(before + key.encode() + b"!!").decode()
    left = redacted(said, key).replace("***", "")
    assert len(left) <= 4 * (len(before) // 3 + 1) + 8
