"""The schema of an answer: checked when it is made, sent in its strict form where it has one, and the judge of answers.

An answer counts if it fits the schema itself, or its strict form once that is turned back. Of several JSON values in
one answer, the one that fits counts; if two different ones fit, or none, the answer is of no use.
"""

import json
from collections.abc import Mapping
from functools import cached_property

import jsonschema_rs

from kaizen_batch.errors import InvalidOutputError, SignatureError
from kaizen_batch.signature.extraction import json_values, whole_json
from kaizen_batch.signature.restoring import Restoring
from kaizen_batch.signature.strict import Json, NotStrictError, Schema, StrictForm, strict_form


class AnswerSchema:
    """The schema of an answer.

    >>> schema = AnswerSchema({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
    >>> schema.read('Sure: {"n": 1}')
    {'n': 1}

    `formats` says that `format` is a condition, not a note. Raises: SignatureError for what is no JSON schema, or
    refers to something outside of it.
    """

    def __init__(self, schema: Mapping[str, Json], *, formats: bool = False) -> None:
        self.own: Schema = dict(schema)
        self._formats = formats
        _check_references(self.own)
        self._validator = self._validator_of(self.own)
        self._parts: dict[int, Json] = {}
        self._restoring = Restoring(self.own, self._fits_part)
        self.why_not_strict: str | None = None
        self.strict: StrictForm | None = None
        try:
            self.strict = strict_form(self.own)
        except NotStrictError as error:
            self.why_not_strict = str(error)
        strict = self.strict
        self._strict_validator = self._validator_of(strict.schema) if strict is not None and strict.changed else None

    def _validator_of(self, schema: Schema) -> Json:
        try:
            return jsonschema_rs.validator_for(schema, validate_formats=self._formats, mask="the value")
        except (ValueError, jsonschema_rs.ValidationError) as error:
            reason = str(getattr(error, "message", error)).splitlines()[0]
            raise SignatureError(f"the schema of the answer is no valid JSON schema: {reason}") from None

    def read(self, text: str) -> Json:
        """The value in an answer. Raises: InvalidOutputError that says what does not fit, without quoting it."""
        try:
            value = whole_json(text)
        except ValueError:
            return self._find(text)
        if self._validator.is_valid(value):
            return value
        restored = self._restored(value)
        if self._validator.is_valid(restored):
            return restored
        raise InvalidOutputError(f"the answer does not fit the signature: {self._misfit(restored)}") from None

    def _find(self, text: str) -> Json:
        values = [self._restored(value) for value in json_values(text)]
        fitting = [value for value in values if self._validator.is_valid(value)]
        if len(fitting) == 1:
            return fitting[0]
        if not values:
            raise InvalidOutputError("the answer does not fit the signature: it is not JSON") from None
        if not fitting and len(values) == 1:
            raise InvalidOutputError(f"the answer does not fit the signature: {self._misfit(values[0])}") from None
        raise InvalidOutputError(
            f"the answer is ambiguous: it has {len(values)} JSON objects, of which {len(fitting)} fit the signature"
        ) from None

    def _restored(self, value: Json) -> Json:
        """A value as the schema has it: turned back if it has the strict form."""
        strict = self._strict_validator
        if strict is None or self._validator.is_valid(value) or not strict.is_valid(value):
            return value
        try:
            return self._restoring.of(value, self.own)
        except RecursionError:
            return value

    def _fits_part(self, value: object, part: Mapping[str, Json]) -> bool:
        """Whether a value fits a part of this schema."""
        found = self._parts.get(id(part))
        if found is None:
            definitions: Schema = {name: self.own[name] for name in ("$defs", "definitions") if name in self.own}
            found = self._parts[id(part)] = self._validator_of({**definitions, **part})
        return bool(found.is_valid(value))

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(_names_in(self.own))

    def _misfit(self, value: object) -> str:
        """What does not fit, by names that are in the schema: any other name was written by the model."""
        error = next(iter(self._validator.iter_errors(value)))
        place, keyword = list(error.instance_path), str(error.schema_path[-1]) if error.schema_path else ""
        reason = str(error.message)
        if keyword == "required":
            place, reason = [*place, reason.split('"')[1]], "it is missing"
        elif keyword in _UNNAMED:
            reason = "it has a property that the schema does not have"
        where = ".".join(str(part) for part in place if isinstance(part, int) or part in self._names)
        return f"{where + ': ' if where else ''}{reason}"


_UNNAMED = frozenset(("additionalProperties", "unevaluatedProperties", "propertyNames", "patternProperties"))


def _names_in(schema: object) -> set[str]:
    if isinstance(schema, list):
        return {name for each in schema for name in _names_in(each)}
    if not isinstance(schema, dict):
        return set()
    own = schema.get("properties")
    names = set(own) if isinstance(own, dict) else set()
    return names.union(*(_names_in(each) for each in schema.values()))


def _check_references(schema: object) -> None:
    """Raise SignatureError for a reference to another document: nothing is fetched."""
    if isinstance(schema, list):
        for each in schema:
            _check_references(each)
    elif isinstance(schema, dict):
        target = schema.get("$ref")
        if isinstance(target, str) and not target.startswith("#"):
            raise SignatureError(f"the schema of the answer refers to {target!r}: put it into $defs")
        for each in schema.values():
            _check_references(each)


def schema_text(schema: Mapping[str, Json]) -> str:
    """The instruction that asks for an answer by a schema, for endpoints that take none."""
    return (
        "Answer with one JSON object that fits this JSON schema, and with nothing else.\n"
        f"JSON schema: {json.dumps(schema, ensure_ascii=False)}"
    )
