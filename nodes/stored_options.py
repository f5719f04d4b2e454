"""What a node keeps of its options in `node.config`, and so in a serialized workflow: plain values and import paths."""

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from kaizen_batch.config import BatchConfig
from kaizen_batch.errors import ConfigError
from kaizen_batch.nodes.kailash_types import NodeData
from kaizen_batch.providers import import_object

_NOT_STORED = ("api_key", "base_url")
_PRICES = ("input", "output", "cached")


def stored_options(config: BatchConfig) -> dict[str, object]:
    """What a node keeps in `node.config`, and so in a serialized workflow.

    Plain values, so that safe YAML and JSON loaders read it; no key, and the endpoint under a name that Kailash keeps.
    """
    stored = config.model_dump(mode="json", exclude_unset=True, exclude={*_NOT_STORED, "provider_options", "price"})
    if config.price is not None:
        prices = {name: getattr(config.price, name) for name in _PRICES}
        stored["price"] = {name: value for name, value in prices.items() if value is not None}
    if "provider_options" in config.model_fields_set:
        stored["provider_options"] = plain(config.provider_options)
    if "base_url" in config.model_fields_set and config.base_url is not None:
        stored["endpoint"] = config.model_dump(mode="json", exclude_unset=True, include={"base_url"})["base_url"]
    return stored


def stored_inputs(inputs: Mapping[str, Any]) -> NodeData:
    """The fixed inputs of a node as plain values. Raises: ConfigError for a batch that can be read only once."""
    batch = inputs.get("batch")
    if isinstance(batch, Iterator | AsyncIterator):
        raise ConfigError(
            f"'batch' is a {type(batch).__name__}, which can be read only once, and a node may be executed again: "
            "construct the node with a list, or pass the batch at run time"
        )
    return {name: plain(value) for name, value in inputs.items()}


def plain(value: Any) -> Any:
    """A value as JSON and safe YAML loaders know it: lists for tuples, texts for paths. Other objects stay."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def resolved(thing: object) -> object:
    """The object that an import path names, or the thing itself. Raises: ConfigError."""
    return import_object(thing) if isinstance(thing, str) else thing


def by_path(thing: object) -> Any:
    """The import path of a thing, or the thing itself if it has none (a local class, a closure, an instance)."""
    path = f"{getattr(thing, '__module__', '')}:{getattr(thing, '__qualname__', '')}"
    try:
        return path if import_object(path) is thing else thing
    except ConfigError:
        return thing
