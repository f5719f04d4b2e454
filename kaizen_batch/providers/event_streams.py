"""Chat completions that arrive as server-sent events, or as JSON with an SSE trailer, although nobody asked for them.

Some gateways stream unless told otherwise, and some ignore `"stream": false`. What they send is read all the same.
Source: the EventSource section of the HTML standard.
"""

import json
from collections.abc import Iterator
from typing import Any

_FIRST_FIELDS = ("data:", "event:", "id:", "retry:", ":")
_DONE = "[DONE]"
_TEXTS = ("content", "refusal", "reasoning_content", "reasoning")


def read_lenient_json(body: bytes) -> object:
    """The JSON of a body that is not plain JSON: an event stream, a byte-order mark, a trailing `data: [DONE]`.

    Raises: ValueError for anything else, and for a stream that ended early.
    """
    text = body.decode("utf-8-sig", "surrogatepass").strip()
    if text.startswith(_FIRST_FIELDS):
        return _merge(_events(text))
    value, end = json.JSONDecoder().raw_decode(text)
    rest = text[end:].lstrip()
    if rest and not rest.startswith("data:"):
        raise ValueError("more follows the JSON")
    return value


def _events(text: str) -> Iterator[str]:
    """The data of each event."""
    lines: list[str] = []
    for line in (*text.splitlines(), ""):
        if line.startswith("data:"):
            lines.append(line[5:].strip())
        elif not line and lines:
            yield "\n".join(lines)
            lines = []


def _merge(events: Iterator[str]) -> object:
    """One chat completion made of the chunks of a stream."""
    body: dict[str, object] = {}
    choice: dict[str, object] = {}
    message: dict[str, object] = {}
    complete = False
    for event in events:
        if event == _DONE:
            complete = True
            break
        chunk = json.loads(event)
        if not isinstance(chunk, dict):
            raise ValueError("an event that is not an object")
        body.update(_values(chunk, "choices"))
        for part in _first_choices(chunk):
            choice.update(_values(part, "delta"))
            _add(message, part.get("delta"))
    if not complete and not choice.get("finish_reason") and "error" not in body:
        raise ValueError("the event stream ended early")
    return {**body, "choices": [{"message": message, **choice}]} if choice or message else body


def _values(chunk: dict[str, Any], without: str) -> dict[str, Any]:
    return {key: value for key, value in chunk.items() if value is not None and key != without}


def _first_choices(chunk: dict[str, object]) -> Iterator[dict[str, object]]:
    choices = chunk.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and choice.get("index") in (0, None):
            yield choice


def _add(message: dict[str, Any], delta: object) -> None:
    """Append the texts of one chunk."""
    for key, value in delta.items() if isinstance(delta, dict) else ():
        if key in _TEXTS and isinstance(value, str):
            message[key] = f"{message.get(key) or ''}{value}"
        elif key == "content" and isinstance(value, list):
            message[key] = [*(message.get(key) or ()), *value]
