"""The text of a JSON object, member by member: what is not changed keeps its spelling."""

import json
import re

from kaizen_batch.results.values import as_json

_SPACE = re.compile(r"[ \t\n\r]*")


def spliced(text: str, more: dict[str, object]) -> str:
    """The text of an object with more members."""
    if not more:
        return text
    body = text[:-1].rstrip()
    return f"{body}{', ' if body != '{' else ''}{as_json(more)[1:]}"


def members(text: str) -> dict[str, str]:
    """The members of an object, each as the text of its value."""
    decoder, found = json.JSONDecoder(), {}
    position = after_space(text, 1)
    while text[position] != "}":
        name, position = decoder.raw_decode(text, position)
        start = after_space(text, after_space(text, position) + 1)  # behind the colon
        _, end = decoder.raw_decode(text, start)
        found[name] = text[start:end]
        position = after_space(text, end)
        if text[position] == ",":
            position = after_space(text, position + 1)
    return found


def joined_members(found: dict[str, str]) -> str:
    """The text of an object with these members."""
    return "{" + ", ".join(f"{as_json(name)}: {value}" for name, value in found.items()) + "}"


def as_json_text(values: dict[str, object], source: str) -> str:
    """The source with null in place of NaN; all other values keep their text."""
    texts = members(source)
    return joined_members({name: _standard(values[name], text) for name, text in texts.items()})


def _standard(value: object, source: str) -> str:
    """The text of a value if it is JSON, else new text."""
    try:
        json.loads(source, parse_constant=_refuse)
    except ValueError:
        return as_json(value)
    return source


def _refuse(name: str) -> None:
    raise ValueError(name)


def after_space(text: str, position: int) -> int:
    """The position behind the white space that begins here."""
    found = _SPACE.match(text, position)
    return found.end() if found else position
