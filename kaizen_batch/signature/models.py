"""Pydantic models of outputs: their JSON schema, and the outputs in an answer that fits it."""

import json
import re
import warnings
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUserError
from pydantic.fields import FieldInfo

from kaizen_batch.errors import InvalidOutputError, SignatureError
from kaizen_batch.signature.answers import AnswerSchema

_FENCE = re.compile(r"\s*```(?:json)?\s*\n(.*)\n\s*```\s*", re.DOTALL)
_PLAIN_TYPES = (str, int, float, bool)


def output_model(name: str, fields: Mapping[str, tuple[Any, FieldInfo]]) -> type[BaseModel]:
    """The model of a signature's outputs. Raises: SignatureError."""
    # Plain types cannot be wrong, so the model is built on first use: the default signature must import quickly.
    deferred = all(kind in _PLAIN_TYPES for kind, _ in fields.values())
    made: dict[str, Any] = dict(fields)
    try:
        return create_model(name, __config__=ConfigDict(extra="forbid", defer_build=deferred), **made)
    except (PydanticUserError, NameError) as error:
        raise SignatureError(f"{name}: an output cannot be built: {error}") from error


def loose_model(name: str, properties: Iterable[str], doc: str, *, open_ended: bool) -> type[BaseModel]:
    """A model of outputs that a schema judges: each may be anything, and is None if it is not there.

    Raises: SignatureError for a name that no field can have.
    """
    fields: dict[str, Any] = dict.fromkeys(properties, (Any, None))
    hidden = next((each for each in fields if each.startswith("_")), None)
    if hidden is not None:
        raise SignatureError(f"at {hidden!r}: a name cannot begin with an underscore; choose another")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning)  # a name such as "json" hides a method of pydantic
        config = ConfigDict(extra="allow" if open_ended else "ignore")
        return create_model(name, __config__=config, __doc__=doc, **fields)


@cache
def text_field(model: type[BaseModel]) -> str | None:
    """The only field, if it is a text without any condition."""
    fields = list(model.model_fields.items())
    plain = len(fields) == 1 and fields[0][1].annotation is str and not fields[0][1].metadata
    return fields[0][0] if plain else None


@cache
def schema_of(model: type[BaseModel]) -> AnswerSchema:
    """The schema of a model, without its description, which is the instruction. Raises: SignatureError."""
    try:
        schema = model.model_json_schema()
    except (PydanticInvalidForJsonSchema, PydanticUserError) as error:
        raise SignatureError(f"{model.__name__} has no JSON schema: {error}") from None
    if schema.get("type") != "object" and "$ref" in schema:  # pydantic's form of a model that contains itself
        schema = {**_named(schema, schema["$ref"]), "$defs": schema["$defs"]}
    return AnswerSchema({name: value for name, value in schema.items() if name != "description"})


def _named(schema: Mapping[str, Any], reference: str) -> dict[str, Any]:
    found: dict[str, Any] = schema["$defs"][reference.rpartition("/")[2]]
    return found


def outputs_of(model: type[BaseModel], value: object) -> dict[str, object]:
    """The outputs in a value that fits the schema, as JSON-serializable values. Raises: InvalidOutputError."""
    return _validated(model, json.dumps(value))


def outputs_as_before(model: type[BaseModel], text: str) -> dict[str, object]:
    """The outputs in an answer as releases before 0.2 read it: pydantic alone judges, and converts texts to numbers.

    Raises: InvalidOutputError.
    """
    fenced = _FENCE.fullmatch(text)
    return _validated(model, fenced.group(1) if fenced else text)


def _validated(model: type[BaseModel], text: str) -> dict[str, object]:
    try:
        return model.model_validate_json(text).model_dump(mode="json")
    except ValidationError as error:
        raise InvalidOutputError(_misfit(error, _field_names(model))) from None


@cache
def _field_names(model: type[BaseModel]) -> frozenset[str]:
    schema = model.model_json_schema()
    objects = [schema, *schema.get("$defs", {}).values()]
    return frozenset(name for inner in objects for name in inner.get("properties", ()))


def _misfit(error: ValidationError, known: frozenset[str]) -> str:
    # Only names from the signature: any other name, such as a dict's key, was written by the model.
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"] if isinstance(part, int) or part in known)
    return f"the answer does not fit the signature: {where + ': ' if where else ''}{first['msg']}"
