"""Made-up answers, the same for the same question: what the mock and the simulator say."""

import json
import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from kaizen_batch.providers.base import Message

_WORD = re.compile(r"\w+")


def canned_answer(messages: Sequence[Message], schema: dict[str, Any] | None = None) -> str:
    """Free text that quotes the prompt, or JSON that follows the schema.

    It looks at the last message only. An enumeration gets the value whose words occur most often in the prompt,
    a text field the rest of a line `field: ...` if there is one. It is a word count, not a model.
    """
    prompt = messages[-1]["content"] if messages else ""
    if schema is None:
        return f"mock answer to: {prompt}"
    return json.dumps(_value(schema, prompt, "", schema), ensure_ascii=False)


def count_tokens(text: str) -> int:
    """A rough count, four characters each, at least one."""
    return max(1, len(text) // 4)


def _value(schema: dict[str, Any], prompt: str, name: str, root: dict[str, Any]) -> Any:
    if "$ref" in schema:
        return _value(root["$defs"][schema["$ref"].rsplit("/", 1)[-1]], prompt, name, root)
    if "enum" in schema or "const" in schema:
        return _best(schema.get("enum") or [schema["const"]], prompt)
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return _value(options[0], prompt, name, root)
    return _of_type(schema, prompt, name, root)


def _of_type(schema: dict[str, Any], prompt: str, name: str, root: dict[str, Any]) -> Any:
    kind = schema.get("type")
    if kind == "object":
        properties = schema.get("properties", {})
        return {key: _value(inner, prompt, key, root) for key, inner in properties.items()}
    if kind == "array":
        return [_value(schema.get("items", {}), prompt, name, root)] * max(1, schema.get("minItems", 1))
    if kind in ("number", "integer"):
        return _number(schema, prompt + name, whole=kind == "integer")
    if kind == "boolean":
        return _share(prompt + name) < 0.5
    return None if kind == "null" else _text(prompt, name)


def _best(values: Sequence[Any], prompt: str) -> Any:
    words = [word.lower() for word in _WORD.findall(prompt)]

    def score(value: Any) -> int:
        return sum(words.count(part.lower()) for part in _WORD.findall(str(value).replace("_", " ")))

    best = max(score(value) for value in values)
    candidates = [value for value in values if score(value) == best]
    return candidates[int(_share(prompt) * len(candidates))]


def _number(schema: dict[str, Any], seed: str, *, whole: bool) -> float:
    low = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    high = schema.get("maximum", schema.get("exclusiveMaximum", low + (100 if whole else 1)))
    value = low + (high - low) * (0.5 + _share(seed) / 2)
    return int(value) if whole else round(value, 2)


def _text(prompt: str, name: str) -> str:
    line = re.search(rf"^{re.escape(name)}:[ \t]*(\S.*)$", prompt, re.MULTILINE | re.IGNORECASE) if name else None
    return line.group(1).strip() if line else " ".join(prompt.split()[:8])


def _share(seed: str) -> float:
    return int.from_bytes(sha256(seed.encode("utf-8", "surrogatepass")).digest()[:6]) / 2**48
