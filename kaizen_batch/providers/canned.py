"""Made-up, deterministic answers for the mock provider and the simulator."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from kaizen_batch.providers.base import Message
from kaizen_batch.signature.messages import text_of

CHARACTERS_PER_TOKEN = 4
"""A rough average, and here the rule."""

_MAX_DEPTH = 6
_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "127.0.0.1",
    "ipv6": "::1",
}
Schema = dict[str, Any]
"""A JSON schema."""

_WORD = re.compile(r"\w+")


def canned_answer(messages: Sequence[Message], schema: dict[str, object] | None = None) -> str:
    """Free text that quotes the prompt, or JSON that fits the schema.

    Only the last message counts. An enumeration gets the value whose words occur most often in the prompt, and a
    text field the rest of a line `field: ...` if there is one. This is a word count, not a model.
    """
    prompt = text_of(messages[-1]["content"]) if messages else ""
    if schema is None:
        return f"mock answer to: {prompt}"
    return json.dumps(_Making(prompt, schema).value(schema), ensure_ascii=False)


def count_tokens(text: str) -> int:
    """A rough count: four characters per token, at least one token."""
    return max(1, len(text) // CHARACTERS_PER_TOKEN)


@dataclass(frozen=True, slots=True)
class _Making:
    """What the values of one answer are made from: the prompt, the whole schema, the name of the field, the depth."""

    prompt: str
    root: Schema
    name: str = ""
    depth: int = 0

    def value(self, schema: Schema) -> Any:
        """A value that fits the schema."""
        inner = replace(self, depth=self.depth + 1)
        if "$ref" in schema:
            return inner.value(_named(schema["$ref"], self.root))
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return _best(schema["enum"], self.prompt)
        options = schema.get("anyOf") or schema.get("oneOf")
        if options:
            # Deep inside a recursive schema the last option ends the recursion: null, by pydantic's convention.
            return inner.value(options[-1 if self.depth > _MAX_DEPTH else 0])
        if len(schema.get("allOf", ())) == 1:
            return inner.value({**schema["allOf"][0], **{k: v for k, v in schema.items() if k != "allOf"}})
        return self.typed(schema, inner)

    def typed(self, schema: Schema, inner: "_Making") -> Any:
        """A value of the schema's type, of the first of several."""
        kind = schema.get("type", "object" if "properties" in schema else None)
        schema = {**schema, "type": kind[0] if isinstance(kind, list) else kind}
        if schema["type"] == "object":
            return inner.object(schema)
        if schema["type"] == "array":
            return inner.items(schema)
        return _scalar(schema, self.prompt, self.name)

    def object(self, schema: Schema) -> Schema:
        """An object with all of its properties; deep inside, with those that are required. A map has one entry."""
        required = schema.get("required", ())
        fields = {
            name: field
            for name, field in schema.get("properties", {}).items()
            if name in required or self.depth <= _MAX_DEPTH
        }
        made = {name: replace(self, name=name).value(field) for name, field in fields.items()}
        more = schema.get("additionalProperties")
        if not fields and isinstance(more, dict) and self.depth <= _MAX_DEPTH:
            names = schema.get("propertyNames")
            made[str(self.value({"type": "string", **names})) if names else "name"] = self.value(more)
        return made

    def items(self, schema: Schema) -> list[Any]:
        """The items of an array: as few as the schema allows, but one where that ends."""
        first = [self.value(each) for each in schema.get("prefixItems", ())]
        least = 0 if self.depth > _MAX_DEPTH + 1 or first else 1
        count = max(schema.get("minItems", 0) - len(first), least)
        kind = schema.get("items")
        if not count or not isinstance(kind, dict):
            return first
        made = [replace(self, prompt=f"{self.prompt} {n}" if n else self.prompt).value(kind) for n in range(count)]
        return [*first, *made]


def _named(reference: str, root: Schema) -> Schema:
    found: Any = root
    for name in reference.removeprefix("#").strip("/").split("/"):
        found = found[name] if name else found
    return dict(found)


_HINT = re.compile(r"\b(format|minLength|maxLength): ([\w-]+)")


def _hinted(schema: Schema) -> Schema:
    """A schema with the conditions that its description tells: "a link (format: uri, maxLength: 40)"."""
    hints = dict(_HINT.findall(str(schema.get("description", ""))))
    return {**{name: int(value) if value.isdecimal() else value for name, value in hints.items()}, **schema}


def _scalar(schema: Schema, prompt: str, name: str) -> object:
    schema = _hinted(schema)
    kind = schema.get("type")
    if kind in ("number", "integer"):
        return _number(schema, prompt + name, whole=kind == "integer")
    if kind == "boolean":
        return _share(prompt + name) < 0.5
    if kind == "null":
        return None
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    text = _text(prompt, name).ljust(schema.get("minLength", 0), ".")
    return text[: schema.get("maxLength")]


def _best(values: Sequence[object], prompt: str) -> object:
    words = [word.lower() for word in _WORD.findall(prompt)]

    def score(value: object) -> int:
        return sum(words.count(part.lower()) for part in _WORD.findall(str(value).replace("_", " ")))

    best = max(score(value) for value in values)
    candidates = [value for value in values if score(value) == best]
    return candidates[int(_share(prompt) * len(candidates))]


def _number(schema: Schema, seed: str, *, whole: bool) -> float:
    span = 100 if whole else 1
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    low = low if low is not None else (min(0, high - span) if high is not None else 0)
    high = high if high is not None else low + span
    # In the upper half, away from the ends, so that exclusive bounds hold too.
    value = low + (high - low) * (0.55 + 0.4 * _share(seed))
    step = schema.get("multipleOf")
    if step:
        multiple: float = math.floor(value / step) * step
        return multiple
    if whole:
        highest = math.ceil(high) - 1 if "exclusiveMaximum" in schema else math.floor(high)
        lowest = math.floor(low) + 1 if "exclusiveMinimum" in schema else math.ceil(low)
        return max(lowest, min(highest, round(value)))
    rounded = round(value, 2)
    return rounded if low < rounded < high else value


def _text(prompt: str, name: str) -> str:
    line = re.search(rf"^{re.escape(name)}:[ \t]*(\S.*)$", prompt, re.MULTILINE | re.IGNORECASE) if name else None
    return line.group(1).strip() if line else " ".join(prompt.split()[:8])


def _share(seed: str) -> float:
    return int.from_bytes(sha256(seed.encode("utf-8", "surrogatepass")).digest()[:6]) / 2**48
