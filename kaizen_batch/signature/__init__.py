"""Signatures: what goes into a prompt, and what the answer must contain."""

import types
from collections.abc import Mapping
from functools import cache
from typing import ClassVar

from pydantic import BaseModel

from kaizen_batch.errors import InputError, InvalidOutputError, SignatureError
from kaizen_batch.signature.answers import AnswerSchema
from kaizen_batch.signature.definition import (
    RESERVED,
    check_fields,
    check_names,
    docstring,
    marked_fields,
    model_of_outputs,
    only_text,
)
from kaizen_batch.signature.fields import InputField, InputFieldMark, OutputField
from kaizen_batch.signature.media import Document, Image, Message, media_of
from kaizen_batch.signature.messages import conversation, looks_like_parts, with_system
from kaizen_batch.signature.models import outputs_as_before, outputs_of, schema_of, text_field
from kaizen_batch.signature.prompts import asked, labelled, rendered

__all__ = ["InputField", "OutputField", "ProcessingSignature", "Signature", "SignatureLike", "as_signature"]


class Signature:
    """The inputs, instructions and typed outputs of one kind of request.

    >>> class Triage(Signature):
    ...     '''Decide which team a ticket belongs to.'''
    ...     subject: str = InputField()
    ...     text: str = InputField()
    ...     team: Literal["billing", "tech"] = OutputField("the team that should answer")
    ...     confidence: float = OutputField("how sure you are", ge=0, le=1)

    The docstring is the instruction, unless the class sets `instructions`. If the only output is a `str`, it receives
    the answer unchanged. Otherwise a JSON schema is sent with the request, and the answer is validated.

    Raises: SignatureError when the class is defined, for a field without a type, no output, or a reserved name.
    """

    instructions: ClassVar[str] = ""
    inputs: ClassVar[Mapping[str, InputFieldMark]] = {}
    output_model: ClassVar[type[BaseModel]] = BaseModel
    _answer: ClassVar[AnswerSchema | None] = None
    _only: ClassVar[str | None] = None

    def __init_subclass__(cls) -> None:
        if isinstance(vars(cls).get("output_model"), type):  # made from a pydantic model, see as_signature
            return
        marked = marked_fields(cls)
        check_names(cls.__name__, marked, Signature)
        if "instructions" not in vars(cls):
            cls.instructions = docstring(cls) or cls.instructions
        cls.inputs = {name: mark for name, mark in marked.items() if isinstance(mark, InputFieldMark)}
        cls.output_model = model_of_outputs(cls, marked)
        check_fields(cls.__name__, cls.inputs, cls.output_model)
        cls._only = only_text(cls.inputs)

    @classmethod
    def output_fields(cls) -> tuple[str, ...]:
        """The names of the outputs, in order."""
        return tuple(cls.output_model.model_fields)

    @classmethod
    def is_text(cls) -> bool:
        """Whether the only output is a text, which receives the answer unchanged."""
        return cls._answer is None and text_field(cls.output_model) is not None

    @classmethod
    def bind(cls, item: object) -> dict[str, object]:
        """The inputs of one item: from a dict (other keys are ignored), or from a text if there is only one input.

        Raises: InputError that names the missing input and the keys of the item.
        """
        if len(cls.inputs) == 1 and _is_value(cls, item):
            return {next(iter(cls.inputs)): item}
        if not isinstance(item, Mapping):
            raise InputError(f"an item must be {_wanted(cls)}; given: {_described(item)}")
        return {name: _bound(cls, name, mark, item) for name, mark in cls.inputs.items()}

    @classmethod
    def messages(cls, item: object, system_prompt: str | None = None) -> list[Message]:
        """The chat messages of one item.

        A single text input is sent unchanged; several inputs are sent as `name: value` blocks; images, documents and
        lists of content parts are sent as parts. A dict with `messages`, and without the inputs, is a conversation: the
        instructions lead it. Raises: InputError.
        """
        # mypy considers a class unhashable if its instances do not define a hash.
        system = _system_text(cls, system_prompt)  # type: ignore[arg-type]
        only = cls._only
        content = None if only is None else item.get(only) if type(item) is dict else item
        if type(content) is not str:
            if isinstance(item, Mapping) and "messages" in item and cls.inputs.keys().isdisjoint(item):
                messages = conversation(item["messages"])
                return with_system(messages, system) if system else messages
            return asked(_content(cls, item), system)
        user = {"role": "user", "content": content}
        return [{"role": "system", "content": system}, user] if system else [user]

    @classmethod
    def answer_schema(cls) -> AnswerSchema | None:
        """What is sent as the schema of an answer and judges it; None if the answer is plain text.

        Raises: SignatureError for outputs that have no JSON schema.
        """
        if cls.is_text():
            return None
        return cls._answer or schema_of(cls.output_model)

    @classmethod
    def json_schema(cls) -> dict[str, object] | None:
        """The JSON schema of the outputs, or None if the answer is plain text."""
        schema = cls.answer_schema()
        return None if schema is None else schema.own

    @classmethod
    def parse(cls, text: str) -> dict[str, object]:
        """The outputs in an answer, as JSON-serializable values.

        Raises: InvalidOutputError that says what does not fit, without quoting the answer.
        """
        field = text_field(cls.output_model) if cls._answer is None else None
        if field is not None:
            return {field: text}
        schema = cls._answer or schema_of(cls.output_model)
        return cls._without_reserved(outputs_of(cls.output_model, schema.read(text)))

    @classmethod
    def parse_stored(cls, text: str) -> dict[str, object]:
        """The outputs in an answer that an earlier release may have accepted and stored. Raises: InvalidOutputError."""
        try:
            return cls.parse(text)
        except InvalidOutputError:
            return cls._without_reserved(outputs_as_before(cls.output_model, text))

    @classmethod
    def _without_reserved(cls, outputs: dict[str, object]) -> dict[str, object]:
        """Outputs without names that the model has made up (`extra="allow"`) and that results need themselves."""
        if len(outputs) == len(cls.output_model.model_fields):
            return outputs
        return {name: value for name, value in outputs.items() if name not in RESERVED}


SignatureLike = Signature | type[Signature] | type[BaseModel]
"""What `as_signature` accepts."""


def as_signature(signature: object) -> type[Signature]:
    """Convert what users pass as a signature: a Signature (class or instance) or a pydantic model of the outputs.

    Raises: SignatureError for anything else.
    """
    if isinstance(signature, Signature):
        return type(signature)
    if isinstance(signature, type) and issubclass(signature, Signature):
        return signature
    if isinstance(signature, type) and issubclass(signature, BaseModel):
        from pydantic import RootModel  # deferred: a tenth of this package's import time, and rarely needed

        if not issubclass(signature, RootModel):
            return _from_model(signature)
    raise SignatureError(
        f"a signature is a subclass of Signature or of pydantic.BaseModel with fields; given: {signature!r}"
    )


@cache
def _from_model(model: type[BaseModel]) -> type[Signature]:
    inputs = {"prompt": InputFieldMark("what to ask", ...)}
    check_fields(model.__name__, inputs, model)
    body = {
        "inputs": inputs,
        "output_model": model,
        "_answer": schema_of(model),
        "_only": "prompt",
        "instructions": docstring(model),
        "__module__": model.__module__,
    }
    return types.new_class(model.__name__, (Signature,), exec_body=lambda namespace: namespace.update(body))


@cache
def _system_text(cls: type[Signature], system_prompt: str | None) -> str:
    notes = [f"- {name}: {mark.description}" for name, mark in cls.inputs.items() if mark.description]
    described = "Inputs:\n" + "\n".join(notes) if notes and len(cls.inputs) > 1 else ""
    return "\n\n".join(part for part in (system_prompt, cls.instructions, described) if part)


def _wanted(cls: type[Signature]) -> str:
    keys = "a dict with " + ", ".join(repr(name) for name in cls.inputs)
    return f"a text or {keys}" if len(cls.inputs) == 1 else keys


def _described(item: object) -> str:
    if isinstance(item, Mapping):
        return f"a dict with {', '.join(repr(key) for key in list(item)[:10]) or 'no keys'}"
    return f"an object of type {type(item).__name__}"


def _bound(cls: type[Signature], name: str, mark: InputFieldMark, item: Mapping[str, object]) -> object:
    value = item.get(name)
    if value is not None and (type(value) is not float or value == value):  # NaN is missing too
        return value
    if mark.default is not ...:
        return mark.default
    if name in item:
        raise InputError(f"the input {name!r} is {value}: the item has no value for it")
    raise InputError(f"the input {name!r} is missing: an item must be {_wanted(cls)}; given: {_described(item)}")


def _is_value(cls: type[Signature], item: object) -> bool:
    """Whether an item is the value of the only input, and not a dict with it."""
    if isinstance(item, str | Image | Document) or looks_like_parts(item):
        return True
    return isinstance(item, bytes) and next(iter(cls.inputs.values())).media is not None


def _content(cls: type[Signature], item: object) -> str | list[Message]:
    values = cls.bind(item)
    for name, mark in cls.inputs.items():
        if mark.media is not None and values[name] is None:
            del values[name]  # its default is that there is none
        elif mark.media is not None:
            values[name] = media_of(mark.media, values[name])
    return rendered(next(iter(values.values()))) if len(values) == 1 else labelled(values.items())


class ProcessingSignature(Signature):
    """The default: the input `prompt` is sent unchanged, and the output `result` is the answer."""

    instructions = ""

    prompt: str = InputField("what to ask")
    result: str = OutputField("the answer")
