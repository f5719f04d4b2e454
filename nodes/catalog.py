"""What Kailash's catalog shows of the nodes: their inputs, options and outputs."""

from kaizen_batch.config import BatchConfig
from kaizen_batch.nodes.base_node import declared
from kaizen_batch.nodes.kailash_types import NodeParameter

INPUTS = {
    "batch": "items, each a text or a dict; any iterable or asynchronous iterable",
    "prompt": "one text, instead of `batch`",
    "template": "the prompt of a row, with {column} placeholders; goes with `batch` or `input_path`",
    "input_path": "a file of rows (JSONL, CSV, TSV, Parquet), instead of `batch`",
    "output_path": "the file that the rows are written to with their results; goes with `input_path`",
}
OBJECTS = {
    "signature": "a Signature, a pydantic model of the outputs, or an import path",
    "provider": "a Provider, an agent, an async function, or an import path; replaces `llm_provider`",
}
NODE = {
    "on_stop": "`raise` fails the node if its run ends before the last item; `return` returns what there is",
    "runtime_inputs": "names of options that may be set at run time, besides data and lower limits",
    "runtime_folder": "the folder that paths given at run time must lie in",
    "endpoint_keys": "for an endpoint given at run time, the environment variable that holds its key",
    "secret_provider": "a SecretProvider of Kailash, or its import path",
    "api_key_secret": "the name of the API key in `secret_provider`",
}
_NOT_SHOWN = ("api_key", "base_url")


def input_parameters() -> dict[str, NodeParameter]:
    """The inputs and options of an agent node."""
    options = {name: f"option {name} of BatchConfig" for name in BatchConfig.model_fields if name not in _NOT_SHOWN}
    endpoint = {"endpoint": "the same as base_url, under a name that a serialized workflow keeps"}
    return declared({**INPUTS, **OBJECTS, **endpoint, **options, **NODE})


def output_parameters() -> dict[str, NodeParameter]:
    """The outputs of an agent node."""
    described = {"results": (list, "one dict for each item, in order"), "summary": (dict, "the totals of the run")}
    return {
        name: NodeParameter(name=name, type=type_, required=True, default=None, description=text)
        for name, (type_, text) in described.items()
    }
