"""`--schema labels.json`: a JSON schema of the outputs becomes a signature.

The common subset of JSON schema becomes a pydantic model, as in the first releases, so that the keys of requests stay
what they were. Any other valid schema (`oneOf`, `format`, maps, enumerations of fractions, references that recur) is
taken as it is. A word that is none of JSON schema's is an error: it is misspelled, and would not hold.
"""

import json
import re
import types
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel, ConfigDict, Field, create_model

from kaizen_batch.errors import ConfigError, SignatureError, did_you_mean
from kaizen_batch.signature import Signature, as_signature
from kaizen_batch.signature.answers import AnswerSchema
from kaizen_batch.signature.models import loose_model

_SCALARS: dict[str, object] = {"string": str, "integer": int, "number": float, "boolean": bool, "null": None}
_TYPES = (*_SCALARS, "array", "object")
# JSON schema's name of each constraint -> pydantic's, by type.
_NUMBER = {
    "minimum": "ge",
    "maximum": "le",
    "exclusiveMinimum": "gt",
    "exclusiveMaximum": "lt",
    "multipleOf": "multiple_of",
}
_CONSTRAINTS = {
    "string": {"minLength": "min_length", "maxLength": "max_length", "pattern": "pattern"},
    "integer": _NUMBER,
    "number": _NUMBER,
    "array": {"minItems": "min_length", "maxItems": "max_length"},
}
# Keywords that forbid no answer.
_NOTES = ("description", "title", "examples", "default", "$schema", "$id", "$comment", "$defs", "definitions")
_STRUCTURE = ("type", "enum", "const", "anyOf", "$ref", "items", "properties", "required", "additionalProperties")
_COMMON = (*_STRUCTURE, *_NOTES, *dict.fromkeys(name for names in _CONSTRAINTS.values() for name in names))
# The other words of JSON schema 2020-12.
_RARE = (
    *("format", "oneOf", "allOf", "not", "if", "then", "else", "prefixItems", "contains", "uniqueItems"),
    *("minContains", "maxContains", "minProperties", "maxProperties", "propertyNames", "patternProperties"),
    *("dependentRequired", "dependentSchemas", "unevaluatedProperties", "unevaluatedItems", "contentEncoding"),
    *("contentMediaType", "contentSchema", "deprecated", "readOnly", "writeOnly", "$anchor"),
)
_KNOWN = (*_COMMON, *_RARE)


class _RareError(ConfigError):
    """The schema is not in the common subset."""


def read_schema(path: Path) -> type[Signature]:
    """The signature with the outputs that a JSON schema file describes.

    The file holds an object schema: `{"type": "object", "properties": {"label": {"enum": ["a", "b"]}}}`. Without
    `required` every property is required; one that is not may be null. The description of the object is the
    instruction. Raises: ConfigError that names the file, the place in it, what was found, and what is supported.
    """
    try:
        schema = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(f"there is no schema file {str(path)!r}: give the path of a JSON schema") from None
    except OSError as error:
        raise ConfigError(f"the schema file {str(path)!r} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"the schema file {str(path)!r} is not UTF-8: save it as UTF-8") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ConfigError(f"the schema file {str(path)!r} is not valid JSON: {error.msg} in {where}") from None
    try:
        return signature_of(schema, name=_class_name(path))
    except (ConfigError, SignatureError) as error:
        raise ConfigError(f"the schema file {str(path)!r}: {error}") from None


def signature_of(schema: object, *, name: str = "Outputs") -> type[Signature]:
    """The signature of an object schema; its input is `prompt`. Raises: ConfigError, SignatureError."""
    try:
        return as_signature(model_of(schema, name=name))
    except _RareError:
        assert isinstance(schema, dict)
    _check_all(schema, "")
    open_ended = schema.get("additionalProperties") not in (None, False)
    model = loose_model(name, schema["properties"], str(schema.get("description") or ""), open_ended=open_ended)
    own = AnswerSchema({key: value for key, value in schema.items() if key not in _HEAD}, formats=True)
    made = as_signature(model)
    return types.new_class(name, (made,), exec_body=lambda body: body.update(output_model=model, _answer=own))


_HEAD = ("description", "$schema", "$id", "$comment")


def _check_all(schema: object, place: str) -> None:
    """Raise ConfigError for an unknown word anywhere in a schema, or for a required property that it does not have."""
    if not isinstance(schema, dict):
        return
    for word in schema:
        if word not in _KNOWN:
            raise _unknown(word, place)
    properties = schema.get("properties")
    if isinstance(properties, dict) and schema.get("additionalProperties") in (None, False):
        _check_required(schema.get("required", []), properties, place)
    for where, inner in _parts(schema):
        _check_all(inner, f"{place}.{where}".strip("."))


def _parts(schema: dict[str, Any]) -> Iterable[tuple[str, object]]:
    for name in ("properties", "$defs", "definitions", "patternProperties", "dependentSchemas"):
        yield from _dict(schema, name).items()
    for name in ("anyOf", "oneOf", "allOf", "prefixItems"):
        yield from ((name, inner) for inner in schema.get(name) or ())
    for name in ("items", "additionalProperties", "propertyNames", "contains", "not", "if", "then", "else"):
        yield name, schema.get(name)


def model_of(schema: object, *, name: str = "Outputs") -> type[BaseModel]:
    """The pydantic model of an object schema. Raises: ConfigError.

    >>> list(model_of({"type": "object", "properties": {"label": {"enum": ["a", "b"]}}}).model_fields)
    ['label']
    """
    if not isinstance(schema, dict) or not isinstance(schema.get("properties"), dict) or not schema["properties"]:
        raise ConfigError(
            'it must describe an object, such as {"type": "object", "properties": {"label": {"type": "string"}}}'
        )
    definitions = {**_dict(schema, "definitions"), **_dict(schema, "$defs")}
    return _Reader(definitions).model(schema, name, "")


class _Reader:
    """Turns schemas into types; `_open` are the references being resolved, so that a loop is detected."""

    def __init__(self, definitions: Mapping[str, object]) -> None:
        self._definitions = definitions
        self._open: list[str] = []

    def model(self, schema: dict[str, Any], name: str, place: str) -> type[BaseModel]:
        """An object with properties."""
        _check_words(schema, place)
        if schema.get("type", "object") != "object":
            raise ConfigError(f"{_at(place)}an object is needed here; given: type {schema['type']!r}")
        properties = schema["properties"]
        required = schema.get("required", list(properties))
        _check_required(required, properties, place)
        fields: dict[str, Any] = {
            key: self._field(value, required=key in required, name=key, place=f"{place}.{key}".strip("."))
            for key, value in properties.items()
        }
        with warnings.catch_warnings():
            # An output called "json" or "copy" hides a method of pydantic that nobody calls here.
            warnings.filterwarnings("ignore", message="Field name .* shadows an attribute", category=UserWarning)
            return create_model(
                name,
                # Python's engine knows look-around, which JSON schema allows.
                __config__=ConfigDict(extra="forbid", regex_engine="python-re"),
                __doc__=str(schema.get("description") or ""),
                **fields,
            )

    def _field(self, schema: Any, *, required: bool, name: str, place: str) -> tuple[object, object]:
        if name.startswith("_"):
            raise ConfigError(f"{_at(place)}a name cannot begin with an underscore; choose another")
        kind = self._type(schema, name, place)
        described = schema.get("description")
        if required:
            return kind, Field(description=described)
        return Union[kind, None], Field(default=None, description=described)  # noqa: UP007 - made at run time

    def _type(self, schema: object, name: str, place: str) -> object:
        if not isinstance(schema, dict):
            raise ConfigError(f'{_at(place)}a schema is an object such as {{"type": "string"}}; given: {schema!r:.40}')
        _check_words(schema, place)
        if "$ref" in schema:
            return self._referred(schema["$ref"], name, place)
        if "enum" in schema or "const" in schema:
            return _literal(schema.get("enum", [schema.get("const")]), place)
        if "anyOf" in schema:
            options = schema["anyOf"] if isinstance(schema["anyOf"], list) else []
            return _union((self._type(each, name, place) for each in options), place)
        kinds = schema.get("type")
        if isinstance(kinds, list):
            return _union((self._one({**schema, "type": kind}, name, place) for kind in kinds), place)
        return self._one(schema, name, place)

    def _one(self, schema: dict[str, object], name: str, place: str) -> object:
        kind = schema.get("type", "object" if "properties" in schema else None)
        if not isinstance(kind, str) or kind not in _TYPES:
            hint = did_you_mean(kind, _TYPES) if isinstance(kind, str) else ""
            raise ConfigError(f"{_at(place)}unknown type {kind!r}: {hint}allowed are {', '.join(_TYPES)}")
        if kind == "object":
            _check_object(schema, place)
            return self.model(schema, name.title().replace("_", "") or "Inner", place)
        if kind == "array":
            inner: object = list[self._type(schema.get("items"), name, f"{place}[]")]  # type: ignore[misc] # at run time
        else:
            inner = _SCALARS[kind]
        return _constrained(inner, kind, schema)

    def _referred(self, reference: object, name: str, place: str) -> object:
        key = str(reference).removeprefix("#/$defs/").removeprefix("#/definitions/")
        if key not in self._definitions:
            raise ConfigError(f"{_at(place)}$ref {reference!r} does not exist: name one of this file's $defs")
        if key in self._open:
            raise _RareError(f"{_at(place)}$ref {reference!r} refers to itself")
        self._open.append(key)
        try:
            return self._type(self._definitions[key], name, place)
        finally:
            self._open.pop()


def _check_object(schema: dict[str, object], place: str) -> None:
    if isinstance(schema.get("properties"), dict) and schema["properties"]:
        return
    if isinstance(schema.get("additionalProperties"), dict):
        raise _RareError("a map")
    raise ConfigError(f"{_at(place)}an object needs properties, so that an endpoint can follow them")


def _constrained(kind: Any, name: str, schema: dict[str, Any]) -> object:
    if "pattern" in schema:
        try:
            re.compile(schema["pattern"])
        except (re.error, TypeError) as error:
            raise ConfigError(f"pattern {schema['pattern']!r} is not a regular expression: {error}") from None
    given = {ours: schema[theirs] for theirs, ours in _CONSTRAINTS.get(name, {}).items() if theirs in schema}
    return Annotated[kind, Field(**given)] if given else kind


def _literal(values: object, place: str) -> object:
    if isinstance(values, list) and any(isinstance(value, float | list | dict) for value in values):
        raise _RareError("an enumeration of other values")
    if not isinstance(values, list) or not values or not all(_fits_a_literal(value) for value in values):
        raise ConfigError(f"{_at(place)}enum is a list of texts, whole numbers, true, false or null; given: {values!r}")
    return Literal[tuple(values)]


def _fits_a_literal(value: object) -> bool:
    return value is None or isinstance(value, str | int)


def _union(kinds: Iterable[object], place: str) -> object:
    options = tuple(kinds)
    if not options:
        raise ConfigError(f"{_at(place)}a choice of types needs at least one")
    return Union[options]  # noqa: UP007 - made at run time


def _check_words(schema: dict[str, object], place: str) -> None:
    for word in schema:
        if word in _RARE:
            raise _RareError(word)
        if word not in _COMMON:
            raise _unknown(word, place)


def _unknown(word: str, place: str) -> ConfigError:
    hint = did_you_mean(word, _KNOWN)
    return ConfigError(
        f"{_at(place)}{word!r} is no word of JSON schema: {hint}leave it out; known are {', '.join(_KNOWN)}"
    )


def _check_required(required: object, properties: dict[str, object], place: str) -> None:
    if not isinstance(required, list):
        raise ConfigError(f"{_at(place)}required is a list of names; given: {required!r}")
    for name in required:
        if name not in properties:
            hint = did_you_mean(str(name), properties)
            raise ConfigError(
                f"{_at(place)}required names {name!r}, which is not a property: {hint}add it, or leave it out"
            )


def _dict(schema: dict[str, object], name: str) -> dict[str, object]:
    found = schema.get(name)
    return found if isinstance(found, dict) else {}


def _at(place: str) -> str:
    return f"at {place!r}: " if place else ""


def _class_name(path: Path) -> str:
    # The endpoint gets it as the schema's name, which must be letters, digits and underscores.
    name = "".join(sign if sign.isascii() and sign.isalnum() else "_" for sign in path.name.partition(".")[0])
    return name.strip("_") or "Outputs"
