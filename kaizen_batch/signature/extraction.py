"""Finds the JSON in what a model wrote: alone, in a Markdown fence, in prose, after its reasoning.

A brace begins a value if a name or the end of the object follows it, as in `{"a": 1}`; any other brace is prose, as in
`{think}`. A value that begins and cannot be read is damaged, and then nothing is found: its parts would pass for the
whole. JSON is what RFC 8259 calls so: NaN, Infinity and numbers beyond a double are none.
"""

import json
import math
import re

_REASONING = re.compile(r"\A\s*<(think|thinking|reasoning|thought)>.*</\1>|\A[^{]*</(?:think|thinking)>", re.DOTALL)
_OPEN = re.compile(r'\{(?=\s*["}])')


def _no_number(text: str) -> object:
    raise ValueError(f"{text} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is beyond a double")
    return number


_decoder = json.JSONDecoder(parse_constant=_no_number, parse_float=_finite)


def whole_json(text: str) -> object:
    """The value of a text that is JSON. Raises: ValueError."""
    try:
        return _decoder.decode(text)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None


def json_values(text: str) -> list[object]:
    """The JSON objects in a text, each once; the one value if the text is nothing but JSON; none if one is damaged.

    >>> json_values('<think>{"a": 0}?</think> So: ```json {"a": 1} ```')
    [{'a': 1}]
    """
    text = text.lstrip("\ufeff")
    try:
        return [whole_json(text)]
    except ValueError:
        pass
    return _objects(_REASONING.sub("", text, count=1))


def has_json(text: str) -> bool:
    """Whether a text is, or contains, what begins as JSON, read or damaged."""
    text = _REASONING.sub("", text, count=1)
    return text.lstrip("\ufeff \n\t")[:1] == "[" or _OPEN.search(text) is not None


def _objects(text: str) -> list[object]:
    found: dict[str, object] = {}
    at = 0
    while (opened := _OPEN.search(text, at)) is not None:
        try:
            value, at = _decoder.raw_decode(text, opened.start())
        except (ValueError, RecursionError):
            return []
        found.setdefault(json.dumps(value, sort_keys=True), value)
    return list(found.values())
