"""The strict form of a schema: what OpenAI's strict mode accepts, without loss, and the way back.

Strict mode wants closed objects that require every property, and knows neither maps, nor tuples, nor `oneOf`. So:

| in the schema | in its strict form | back, in an answer |
|---|---|---|
| `oneOf`, a discriminator | `anyOf` | as it is: the answer is validated against the schema |
| a map (`additionalProperties`) | a list of `{"key": ..., "value": ...}` | an object |
| a tuple (`prefixItems`) of fixed length | an object with `item_1`, `item_2`, ... | a list |
| a property that is not required | required, or null | left out if it is null and may not be |
| conditions that strict mode does not know (`uniqueItems`, `minLength`, most formats) | in words | validated |

What has no such form (free objects, anything, `not`, `if`, several `allOf`, ...) makes the whole schema not strict.
Source: https://platform.openai.com/docs/guides/structured-outputs#supported-schemas.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Json = Any
"""A JSON value."""
Schema = dict[str, Json]

_MOST_DEPTH, _MOST_PROPERTIES, _MOST_VALUES = 10, 5000, 1000
_NEVER = frozenset(
    ("not", "if", "then", "else", "dependentRequired", "dependentSchemas", "patternProperties", "contains")
) | {"unevaluatedProperties", "unevaluatedItems", "additionalItems", "dependencies", "$dynamicRef", "$recursiveRef"}
_FORMATS = ("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid")
_KEPT = {
    "string": ("pattern", "format"),
    "number": ("multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    "integer": ("multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    "boolean": (),
    "null": (),
}
_NOTES = ("title", "description")
_IN_WORDS = ("format", "pattern", "minLength", "maxLength")
_LOOK_AROUND = re.compile(r"\(\?[=!<]|\\[1-9]")
_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


class NotStrictError(ValueError):
    """A schema that strict mode does not accept; the text says why."""


@dataclass(frozen=True, slots=True)
class StrictForm:
    """The strict form of a schema; `changed` says that answers to it may have to be turned back."""

    schema: Schema
    changed: bool


def strict_form(schema: Mapping[str, Json]) -> StrictForm:
    """The strict form of an object schema. Raises: NotStrictError."""
    if schema.get("type") != "object":
        raise NotStrictError("it is not an object")
    rewriting = _Rewriting(schema)
    made = rewriting.of(dict(schema), 1)
    definitions = rewriting.definitions()
    return StrictForm({**made, "$defs": definitions} if definitions else made, rewriting.changed)


def resolved(reference: object, root: Mapping[str, Json]) -> Schema:
    """The schema that a local reference names. Raises: NotStrictError if there is none."""
    found: object = root
    parts = str(reference).removeprefix("#").strip("/")
    for name in filter(None, parts.split("/")):
        name = name.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, Mapping) else None
    if not str(reference).startswith("#") or not isinstance(found, Mapping):
        raise NotStrictError(f"$ref {reference!r} does not exist")
    return dict(found)


def is_map(schema: Mapping[str, Json]) -> bool:
    """Whether an object schema is a map: any names, with values of one schema."""
    more = schema.get("additionalProperties")
    return not schema.get("properties") and isinstance(more, Mapping) and bool(more)


def is_tuple(schema: Mapping[str, Json]) -> bool:
    """Whether an array schema is a tuple of fixed length."""
    first = schema.get("prefixItems")
    if not isinstance(first, list) or not first:
        return False
    return schema.get("minItems") == len(first) and (
        schema.get("maxItems") == len(first) or schema.get("items") is False
    )


class _Rewriting:
    """Rewrites one schema; `_names` are the definitions that it refers to, by their reference."""

    def __init__(self, root: Mapping[str, Json]) -> None:
        self.changed = False
        self._root = root
        self._names: dict[str, str] = {}
        self._made: Schema = {}
        self._properties = self._values = 0

    def definitions(self) -> Schema:
        """The strict form of every definition that is referred to."""
        return self._made

    def of(self, schema: Json, depth: int) -> Schema:
        """The strict form of a part, `depth` levels deep."""
        if not isinstance(schema, dict) or not schema:
            raise NotStrictError("it allows anything in one place")
        never = _NEVER & schema.keys()
        if never:
            raise NotStrictError(f"it has {min(never)!r}")
        if depth > _MOST_DEPTH:
            raise NotStrictError(f"it is more than {_MOST_DEPTH} levels deep")
        notes = {name: schema[name] for name in _NOTES if isinstance(schema.get(name), str)}
        for name, rewrite in self._cases().items():
            if name in schema:
                return {**rewrite(schema, depth), **notes}
        return {**notes, **self._typed(schema, depth)}

    def _cases(self) -> dict[str, Callable[[Schema, int], Schema]]:
        return {
            "$ref": self._reference,
            "allOf": self._all_of,
            "oneOf": self._any_of,
            "anyOf": self._any_of,
            "enum": self._enum,
            "const": self._enum,
        }

    def _reference(self, schema: Schema, depth: int) -> Schema:
        reference = str(schema["$ref"])
        if reference not in self._names:
            # A name of its own, for definitions may be anywhere in the schema.
            name = re.sub(r"\W", "_", reference.rpartition("/")[2]) or "root"
            while name in self._names.values():
                name += "_"
            self._names[reference] = name
            target = resolved(reference, self._root)
            self._made[name] = {}
            self._made[name] = self.of(target, 2 if depth > 1 else 1)
        return {"$ref": f"#/$defs/{self._names[reference]}"}

    def _all_of(self, schema: Schema, depth: int) -> Schema:
        if len(schema["allOf"]) != 1:
            raise NotStrictError("it has several 'allOf'")
        rest = {name: value for name, value in schema.items() if name != "allOf"}
        return self.of({**rest, **schema["allOf"][0]}, depth)

    def _any_of(self, schema: Schema, depth: int) -> Schema:
        if ("anyOf" in schema and "oneOf" in schema) or schema.keys() & {"properties", "items", "enum", "$ref"}:
            raise NotStrictError("it joins a choice with other conditions")
        return {"anyOf": [self.of(each, depth) for each in schema.get("anyOf") or schema["oneOf"]]}

    def _enum(self, schema: Schema, depth: int) -> Schema:
        values = schema.get("enum", [schema.get("const")])
        kinds = {_TYPES.get(type(value)) for value in values}
        if None in kinds or not kinds:
            raise NotStrictError("a value of an enumeration is an object or a list")
        self._values += len(values)
        if self._values > _MOST_VALUES:
            raise NotStrictError(f"it enumerates more than {_MOST_VALUES} values")
        names = sorted(kind for kind in kinds if kind is not None)
        return {"type": names[0] if len(names) == 1 else names, "enum": list(values)}

    def _typed(self, schema: Schema, depth: int) -> Schema:
        kind = schema.get("type", "object" if "properties" in schema else None)
        if isinstance(kind, list):
            options = [self.of({**schema, "type": each}, depth) for each in kind]
            return options[0] if len(options) == 1 else {"anyOf": options}
        if kind in ("object", "array"):
            return self._object(schema, depth) if kind == "object" else self._array(schema, depth)
        return _scalar(kind, schema)

    def _object(self, schema: Schema, depth: int) -> Schema:
        if is_map(schema):
            return self._map(schema, depth)
        properties, more = schema.get("properties") or {}, schema.get("additionalProperties")
        if more not in (None, False) or (not properties and more is None):
            raise NotStrictError("it allows properties of any name")
        self._properties += len(properties)
        if self._properties > _MOST_PROPERTIES:
            raise NotStrictError(f"it has more than {_MOST_PROPERTIES} properties")
        required = schema.get("required", ())
        made = {name: self._property(each, name in required, depth + 1) for name, each in properties.items()}
        return {"type": "object", "properties": made, "required": list(made), "additionalProperties": False}

    def _property(self, schema: Json, required: bool, depth: int) -> Schema:
        made = self.of(schema, depth)
        if required:
            return made
        self.changed = True
        notes = {name: made.pop(name) for name in _NOTES if name in made}
        options = made.get("anyOf", [made])
        if {"type": "null"} not in options:
            options = [*options, {"type": "null"}]
        return {"anyOf": options, **notes}

    def _map(self, schema: Schema, depth: int) -> Schema:
        self.changed = True
        names = schema.get("propertyNames")
        key = self.of({"type": "string", **names} if isinstance(names, dict) else {"type": "string"}, depth + 1)
        return {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"key": key, "value": self.of(schema["additionalProperties"], depth + 2)},
                "required": ["key", "value"],
                "additionalProperties": False,
            },
        }

    def _array(self, schema: Schema, depth: int) -> Schema:
        if is_tuple(schema):
            self.changed = True
            parts = {f"item_{n}": self.of(each, depth + 1) for n, each in enumerate(schema["prefixItems"], start=1)}
            return {"type": "object", "properties": parts, "required": list(parts), "additionalProperties": False}
        if "prefixItems" in schema or "items" not in schema:
            raise NotStrictError("it has a list of anything")
        bounds: Schema = {name: schema[name] for name in ("minItems", "maxItems") if name in schema}
        return {"type": "array", "items": self.of(schema["items"], depth + 1), **bounds}


def _scalar(kind: Json, schema: Schema) -> Schema:
    if kind not in _KEPT:
        raise NotStrictError("it allows anything in one place" if kind is None else f"it has the type {kind!r}")
    kept = {name: schema[name] for name in _KEPT[kind] if name in schema and _is_known(name, schema[name])}
    return {"type": kind, **kept, **_in_words(schema, kept)}


def _in_words(schema: Schema, kept: Schema) -> Schema:
    """A description that tells the model the conditions which strict mode cannot hold."""
    left = {name: schema[name] for name in _IN_WORDS if name in schema and name not in kept}
    if not left:
        return {}
    conditions = ", ".join(f"{name}: {value}" for name, value in left.items())
    return {"description": f"{schema.get('description', '')} ({conditions})".strip()}


def _is_known(name: str, value: object) -> bool:
    if name == "format":
        return value in _FORMATS
    return name != "pattern" or not _LOOK_AROUND.search(str(value))
