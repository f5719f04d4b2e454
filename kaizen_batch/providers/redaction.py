"""Keys in what servers say: gateways quote them as they are, cut off, URL-quoted, as JSON or in base64."""

import base64
import json
import re
from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import quote

MARK = "***"

_SHORTEST = 8  # characters; a shorter key, or a common word, is one only where it stands alone
_PREFIX = 16
_COMMON = frozenset(
    (
        "anything",
        "api-key",
        "apikey",
        "changeme",
        "dummy-key",
        "fake-key",
        "key-not-needed",
        "lm-studio",
        "localhost",
        "no-key-required",
        "none-needed",
        "not-needed",
        "notneeded",
        "openai-key",
        "password",
        "placeholder",
        "sk-no-key-required",
        "test-key",
        "token-abc123",
        "your-api-key",
        "your_api_key",
    )
)
_HEX = re.compile("%[0-9A-F]{2}")


def redacted(text: str, secret: str) -> str:
    """The text without the secrets, one in each line, in any of the common encodings.

    >>> redacted("wrong key sk-1234567890abcdef", "sk-1234567890abcdef")
    'wrong key ***'
    """
    words, forms = _sought(secret)
    for form in forms:
        text = _without(text, form)
    return words.sub(MARK, text) if words is not None else text


@lru_cache(64)
def _sought(secret: str) -> tuple[re.Pattern[str] | None, list[str]]:
    """The keys that count as whole words only, and all forms of the others, the longest first."""
    keys = [line for line in secret.splitlines() if line]
    short = [key for key in keys if len(key) < _SHORTEST or key.lower() in _COMMON]
    forms = {form for key in keys if key not in short for form in (*_forms(key), *_in_base64(key))}
    words = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, short))})(?![\w-])") if short else None
    return words, sorted(forms, key=len, reverse=True)


def _without(text: str, form: str) -> str:
    """The text without a form of a key, and without a beginning of it that is too long to be common to many keys."""
    least = max(_SHORTEST, min(_PREFIX, len(form) // 2))
    parts, done = list[str](), 0
    while (start := text.find(form[:least], done)) >= 0:
        same = next(
            (at for at, pair in enumerate(zip(form, text[start:], strict=False)) if pair[0] != pair[1]), len(form)
        )
        same = min(same, len(text) - start)
        parts += (text[done:start], MARK)
        done = start + same
    return "".join((*parts, text[done:])) if parts else text


def _forms(key: str) -> Iterator[str]:
    yield key
    for quoted in (quote(key), quote(key, safe="")):
        yield quoted
        yield _HEX.sub(lambda found: found[0].lower(), quoted)
    for text in (key, json.dumps(key)[1:-1]):
        yield text
        yield text.replace("/", r"\/")


def _in_base64(key: str) -> set[str]:
    """What base64 makes of the key at any place of a longer text, such as `user:key`, without its ragged ends."""
    found = set[str]()
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(b"\0" * before + key.encode()).decode().rstrip("=")
            whole = text[(0, 2, 3)[before] : (before + len(key)) // 3 * 4]
            if len(whole) >= _SHORTEST:
                found.add(whole)
    return found
