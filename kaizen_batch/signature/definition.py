"""What a class of a signature says when it is defined: its marked fields, their types, and what must not be."""

from collections.abc import Mapping
from typing import Any, get_args, get_type_hints

from pydantic import BaseModel

from kaizen_batch.errors import SignatureError
from kaizen_batch.results import ENVELOPE, MODEL_ENVELOPE
from kaizen_batch.signature.fields import InputFieldMark, OutputFieldMark
from kaizen_batch.signature.media import Document, Image
from kaizen_batch.signature.models import output_model

RESERVED = frozenset(ENVELOPE + MODEL_ENVELOPE)
"""Names that results need themselves."""


def marked_fields(cls: type) -> dict[str, InputFieldMark | OutputFieldMark]:
    """The fields that are marked as inputs or outputs, those of the bases first."""
    return {
        name: value
        for base in reversed(cls.__mro__)
        for name, value in vars(base).items()
        if isinstance(value, InputFieldMark | OutputFieldMark)
    }


def model_of_outputs(cls: type, marked: Mapping[str, object]) -> type[BaseModel]:
    """The model of the outputs; the inputs learn which media they are. Raises: SignatureError."""
    try:
        hints = get_type_hints(cls, include_extras=True)
    except NameError as error:
        raise SignatureError(f"{cls.__name__}: a field's type cannot be resolved: {error}") from error
    fields: dict[str, Any] = {}
    for name, mark in marked.items():
        if name not in hints:
            raise SignatureError(f"{cls.__name__}.{name} has no type; write `{name}: str = ...`")
        if isinstance(mark, OutputFieldMark):
            fields[name] = (hints[name], mark.info)
        elif isinstance(mark, InputFieldMark):
            mark.media = _media(hints[name])
    return output_model(cls.__name__, fields)


def _media(hint: object) -> type[Image | Document] | None:
    """The kind of media that an input is annotated with, also if it may be None."""
    kinds = [kind for kind in (Image, Document) if kind is hint or kind in get_args(hint)]
    return kinds[0] if kinds else None


def check_names(name: str, marked: Mapping[str, object], of: type) -> None:
    """Raise SignatureError for a field that would hide a member `of` its base."""
    taken = sorted(marked.keys() & set(dir(of)))
    if taken:
        raise SignatureError(
            f"{name}: a field cannot be named {taken[0]!r}, because {of.__name__} itself has that name; choose another"
        )


def check_fields(name: str, inputs: Mapping[str, InputFieldMark], output_model: type[BaseModel]) -> None:
    """Raise SignatureError without inputs or outputs, and for an output whose name results need themselves."""
    if not inputs:
        raise SignatureError(f"{name} has no InputField")
    outputs = set(output_model.model_fields)
    if not outputs:
        raise SignatureError(f"{name} has no OutputField")
    taken = sorted(outputs & RESERVED)
    if taken:
        raise SignatureError(
            f"{name}: the output {taken[0]!r} has a name that is reserved for results "
            f"({', '.join(sorted(RESERVED))}); choose another"
        )


def docstring(cls: type) -> str:
    """The docstring of a class, its lines without indentation."""
    doc = cls.__dict__.get("__doc__") or ""
    return "\n".join(line.strip() for line in doc.strip().splitlines())


def only_text(inputs: Mapping[str, InputFieldMark]) -> str | None:
    """The name of the only input, if it is no image or document: its text is the content."""
    [name, *others] = inputs
    return None if others or inputs[name].media is not None else name
