"""The fields of a signature's class body: what goes in, and what comes out."""

import inspect
from typing import Any

from pydantic import Field
from pydantic.fields import FieldInfo

from kaizen_batch.errors import SignatureError, did_you_mean
from kaizen_batch.signature.media import Document, Image


class InputFieldMark:
    """The marker that InputField leaves in a signature's class body."""

    def __init__(self, description: str, default: object) -> None:
        self.description = description
        self.default = default
        self.media: type[Image | Document] | None = None


class OutputFieldMark:
    """The marker that OutputField leaves in a signature's class body."""

    def __init__(self, info: FieldInfo) -> None:
        self.info = info


def InputField(description: str = "", *, default: Any = ..., desc: str = "") -> Any:
    """An input of a signature. With a `default`, an item may omit it. `desc` is another name for `description`."""
    return InputFieldMark(description or desc, default)


def OutputField(description: str = "", *, desc: str = "", **constraints: Any) -> Any:
    """An output of a signature. `desc` is another name for `description`.

    `constraints` are those of pydantic's Field, such as `ge=0, le=1`. Raises: SignatureError for any other name.
    """
    for name in constraints:
        if name not in _CONSTRAINTS:
            raise SignatureError(
                f"OutputField has no {name!r}: {did_you_mean(name, _CONSTRAINTS)}"
                "it takes a description and the constraints of pydantic's Field, such as ge=0"
            )
    return OutputFieldMark(Field(description=description or desc or None, **constraints))


# pydantic would write any other keyword into the schema, which the endpoint then refuses.
_CONSTRAINTS = inspect.signature(Field).parameters.keys() - {"extra"}
