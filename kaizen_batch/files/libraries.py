"""Libraries of the extras: imported on first use, by the formats that need them."""

from importlib import import_module
from typing import Any

from kaizen_batch.errors import RecordError


def library(name: str, extra: str, needs: str) -> Any:
    """A module of a library that `needs` it.

    Raises: RecordError with the command that installs it.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError:
        message = f"{needs} needs an extra: pip install 'kaizen-batch[{extra}]'"
        raise RecordError(message, code="missing_extra") from None
