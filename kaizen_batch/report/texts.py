"""Prompts and answers as text for people; nothing here is HTML."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from kaizen_batch.journal import Entry

_SHARED_BY, _SHARED_LEAST = 3, 60  # texts, and characters, from which on a shared beginning is folded
HEAD, MOST = 280, 20_000  # characters shown at once, and of one text in the page at all


@dataclass(frozen=True, slots=True)
class Passage:
    """A text with its beginning; `left_out` counts the characters that only the journal has."""

    head: str
    whole: str
    left_out: int = 0

    @property
    def is_cut(self) -> bool:
        """Whether there is more than the beginning."""
        return self.head != self.whole

    @property
    def length(self) -> int:
        """Characters in all."""
        return len(self.whole) + self.left_out


def passage(text: str, head: int = HEAD) -> Passage:
    """A text, its beginning cut at a space if there is one near."""
    whole = text[:MOST]
    if len(text) <= head * 1.2:
        return Passage(whole, whole)
    beginning = text[:head]
    cut = beginning.rfind(" ", head * 3 // 4)
    return Passage(beginning[: cut if cut > 0 else head].rstrip(), whole, len(text) - len(whole))


def shared_head(texts: Sequence[str]) -> str:
    """The words with which all of these begin, if they are many: an instruction that every prompt repeats."""
    if len(texts) < _SHARED_BY:
        return ""
    first, last = min(texts), max(texts)
    length = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    head = first[:length]
    end = max(head.rfind(" "), head.rfind("\n")) + 1
    return head[:end] if end >= _SHARED_LEAST else ""


def asked(entry: Entry) -> str:
    """What a person would call the input: the last message of a chat, else the whole request."""
    try:
        body = json.loads(entry.request)
    except ValueError:
        return entry.request
    messages = body.get("messages") if isinstance(body, dict) else None
    if isinstance(messages, list) and messages and isinstance(messages[-1], dict):
        return _content(messages[-1].get("content"))
    return _shown(body)


def answered(entry: Entry) -> str:
    """What came back: a text, a refusal, or a value as JSON."""
    answer = entry.answer
    if answer is None:
        return ""
    return next((_shown(part) for part in (answer.text, answer.refusal, answer.value) if part is not None), "")


def _content(content: object) -> str:
    if isinstance(content, list):  # a message in parts, of which some may be pictures
        return "\n".join(str(part.get("text") or f"[{part.get('type')}]") for part in content if isinstance(part, dict))
    return _shown(content)


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
