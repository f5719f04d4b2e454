"""BatchItem: an item of a batch that is asked differently from the others."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from kaizen_batch.config.requests import checked_parameters
from kaizen_batch.errors import InputError
from kaizen_batch.providers import Parameters


class BatchItem(Struct, frozen=True):
    """An item with a model or parameters of its own.

    >>> BatchItem("Prove it.", model="o3", parameters={"reasoning_effort": "high"}).model
    'o3'

    `parameters` are added to those of the agent, or replace them by name. A fallback asks its own model, and takes the
    parameters if it is at the same endpoint.
    """

    inputs: Any
    model: str | None = None
    parameters: Mapping[str, object] | None = None


def own_model(item: BatchItem) -> str | None:
    """The model that an item names. Raises: InputError for what is no name."""
    if item.model is not None and (not isinstance(item.model, str) or not item.model.strip()):
        raise InputError(f"the model of an item is a name; given: a {type(item.model).__name__}")
    return item.model


def merged(item: BatchItem, parameters: Parameters | None) -> Parameters | None:
    """The parameters of an item, over those of its agent. Raises: InputError."""
    if not item.parameters:
        return parameters
    try:
        own = checked_parameters(item.parameters)
    except ValueError as error:
        raise InputError(f"the parameters of an item {error}") from None
    return Parameters.of({**(parameters.values if parameters is not None else {}), **own})
