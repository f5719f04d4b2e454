"""What Kailash's catalog shows of the nodes: inputs and options with type, default, allowed values, text; and outputs.

The texts of the options are those of docs/options.md. The types are for people and programs that read the catalog: the
nodes check their inputs themselves, and `DataNode` lets Kailash convert none of them.
"""

from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from kaizen_batch.config import BatchConfig
from kaizen_batch.nodes.kailash_types import NodeParameter
from kaizen_batch.nodes.option_texts import OPTION_TEXTS

INPUTS: dict[str, tuple[type, str]] = {
    "batch": (list, "Items, each a text or a dict. Any iterable or asynchronous iterable."),
    "prompt": (str, "One text, instead of batch."),
    "template": (str, "The prompt of a row, with {column} placeholders. Goes with batch or input_path."),
    "input_path": (str, "A file of rows (JSONL, CSV, TSV, Parquet), instead of batch."),
    "output_path": (str, "The file that the rows are written to with their results. Goes with input_path."),
}
OBJECTS: dict[str, tuple[type, str]] = {
    "signature": (str, "What is asked and answered: a Signature, a pydantic model, or an import path."),
    "provider": (str, "Replaces llm_provider: a Provider, an agent, an async function, or an import path."),
}
NODE: dict[str, tuple[type, str]] = {
    "on_stop": (str, "Whether a run that ends before its last item fails the node, or returns what there is."),
    "runtime_inputs": (list, "Names of options that may be set at run time, besides data and lower limits."),
    "runtime_folder": (str, "The folder that paths given at run time must be in."),
    "endpoint_keys": (dict, "For an endpoint given at run time, the environment variable that holds its key."),
    "executor": (str, "Runs jobs by path on a cluster; None: in this process."),
    "ray_address": (str, "The Ray cluster of the executor; None starts one on this machine."),
    "workers": (int, "How many shards the executor runs at once; None: 2."),
    "run_folder": (str, "Where the executor's shards meet, the same place on every machine; None: output_path.run."),
    "secret_provider": (str, "A SecretProvider of Kailash, or its import path."),
    "api_key_secret": (str, "The name of the API key in secret_provider."),
}
OUTPUTS: dict[str, tuple[type, str]] = {
    "results": (list, "One dict for each item, in the order of the items: its outputs, and what the call cost."),
    "summary": (dict, "The totals of the run: items, calls, tokens, cost, time."),
}

_NOT_SHOWN = ("api_key", "base_url")
_TYPES: dict[object, type] = {Path: str, float: float, int: int, bool: bool, str: str, dict: dict, tuple: list}


class Parameter(NodeParameter):
    """A parameter with its bounds, which the catalog shows as validation."""

    min_value: float | None = None
    max_value: float | None = None


def input_parameters() -> dict[str, NodeParameter]:
    """The inputs and options of an agent node."""
    given = {name: described(name, *each, category="input") for name, each in INPUTS.items()}
    objects = {name: described(name, *each, category="model") for name, each in OBJECTS.items()}
    endpoint = described("endpoint", object, f"{OPTION_TEXTS['base_url']} The name that a serialized workflow keeps.")
    shown = {name: field for name, field in BatchConfig.model_fields.items() if name not in _NOT_SHOWN}
    options = {name: _option(name, field) for name, field in shown.items()}
    node = {name: described(name, *each, category="node") for name, each in NODE.items()}
    node["on_stop"].choices, node["on_stop"].default = ["return", "raise"], "return"
    node["executor"].choices = ["ray"]
    return {**given, **objects, "endpoint": endpoint, **options, **node}


def output_parameters() -> dict[str, NodeParameter]:
    """The outputs of an agent node."""
    return {name: described(name, *each, category="output") for name, each in OUTPUTS.items()}


def described(name: str, type_: Any, text: str, *, category: str = "") -> NodeParameter:
    """An optional parameter without a default."""
    return NodeParameter(name=name, type=type_, required=False, default=None, description=text, category=category)


def _option(name: str, field: FieldInfo) -> NodeParameter:
    default = field.get_default(call_default_factory=True)
    choices = list(get_args(field.annotation)) if get_origin(field.annotation) is Literal else None
    parameter = Parameter(
        name=name,
        type=_type(field.annotation),
        required=False,
        default=None if isinstance(default, BaseModel) else list(default) if isinstance(default, tuple) else default,
        description=OPTION_TEXTS[name],
        choices=choices,
        category="option",
    )
    for mark in field.metadata:
        if isinstance(mark, Ge | Gt):
            parameter.min_value = mark.ge if isinstance(mark, Ge) else mark.gt  # type: ignore[assignment]
        elif isinstance(mark, Le | Lt):
            parameter.max_value = mark.le if isinstance(mark, Le) else mark.lt  # type: ignore[assignment]
    return parameter


def _type(annotation: Any) -> type:
    """The plain type of an option, as JSON has it."""
    if isinstance(annotation, UnionType):
        annotation = next(each for each in get_args(annotation) if each is not type(None))
    if get_origin(annotation) is Literal:
        return str
    return _TYPES.get(get_origin(annotation) or annotation, dict)
