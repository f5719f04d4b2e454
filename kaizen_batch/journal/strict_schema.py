"""What strict mode makes of a JSON schema, frozen, so that a schema keeps its place in the keys of requests.

A request's key holds the schema in this form. It is idempotent, so a schema as a user wrote it and the strict one that
was sent for it give one key: releases may change how they send a schema without asking anything again. The rules are
those of openai-python's `_ensure_strict_json_schema`: objects are closed and require every property, a single `allOf`
is merged, a `$ref` with siblings is resolved, a default of null is left out.
"""

from collections.abc import Mapping
from typing import Any

_DEEPEST = 100  # references with siblings that lead to themselves have no end


def strict_schema(schema: Mapping[str, object]) -> dict[str, object]:
    """The schema in its strict form; the argument is left as it is.

    >>> strict_schema({"type": "object", "properties": {"n": {"type": "integer", "default": None}}})
    {'type': 'object', 'properties': {'n': {'type': 'integer'}}, 'additionalProperties': False, 'required': ['n']}
    """
    return _strict(schema, schema, 0)


def _strict(schema: Mapping[str, Any], root: Mapping[str, object], depth: int) -> dict[str, object]:
    if depth > _DEEPEST:
        return dict(schema)
    depth += 1
    strict: dict[str, Any] = {name: _of_part(name, value, root, depth) for name, value in schema.items()}
    if strict.get("type") == "object":
        strict.setdefault("additionalProperties", False)
    if isinstance(strict.get("properties"), Mapping):
        strict["required"] = list(strict["properties"])
    return _merged(strict, root, depth)


def _of_part(name: str, value: object, root: Mapping[str, object], depth: int) -> object:
    """What one keyword of a schema holds: schemas by name, a list of them, one, or a plain value."""
    if name in ("$defs", "definitions", "properties") and isinstance(value, Mapping):
        return {key: _inner(each, root, depth) for key, each in value.items()}
    if name in ("anyOf", "allOf") and isinstance(value, list):
        return [_inner(each, root, depth) for each in value]
    return _inner(value, root, depth) if name == "items" else value


def _merged(strict: dict[str, Any], root: Mapping[str, object], depth: int) -> dict[str, object]:
    parts = strict.get("allOf")
    if isinstance(parts, list) and len(parts) == 1 and isinstance(parts[0], Mapping):
        del strict["allOf"]
        strict.update(parts[0])
    if "default" in strict and strict["default"] is None:
        del strict["default"]
    target = _resolved(strict["$ref"], root) if len(strict) > 1 and isinstance(strict.get("$ref"), str) else None
    if target is None:
        return strict
    del strict["$ref"]
    return _strict({**target, **strict}, root, depth)


def _inner(value: object, root: Mapping[str, object], depth: int) -> object:
    return _strict(value, root, depth) if isinstance(value, Mapping) else value


def _resolved(reference: str, root: Mapping[str, object]) -> Mapping[str, object] | None:
    if not reference.startswith("#/"):
        return None
    found: object = root
    for name in reference[2:].split("/"):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else None
