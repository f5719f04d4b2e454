"""DataNode: a Kailash node that passes its data on unchanged and refuses inputs that it does not know."""

import sys
import warnings
from collections.abc import AsyncIterable, Iterable, Mapping
from typing import Any, ClassVar

from kaizen_batch.concurrency.sync import run_sync
from kaizen_batch.engine.frames import frame_items, is_frame
from kaizen_batch.errors import ConfigError
from kaizen_batch.nodes.kailash_types import (
    AsyncNode,
    NodeData,
    NodeExecutionError,
    NodeValidationError,
    WorkflowBuilder,
)
from kaizen_batch.nodes.runtime_inputs import chosen_by_caller, unknown_input


class DataNode(AsyncNode):
    """The base of this package's nodes: subclass it, declare `get_parameters`, write `async_run`.

    Kailash's own `execute_async` replaces `${name}` in the data by run-time inputs, formats a repr of all inputs for
    a log line, drops misspelled inputs, and serializes all outputs on the event loop. This one passes the declared
    inputs on as they are and refuses the others.

    Raises: NodeValidationError for wrong inputs, NodeExecutionError for anything else; `__cause__` is the error.
    """

    # What Kailash's catalog shows besides the docstring, the parameters and the outputs.
    category: ClassVar[str] = "ai"
    tags: ClassVar[list[str]] = ["batch", "llm", "concurrency"]
    # The package is loaded before its modules; importing it here would make a cycle.
    __version__: ClassVar[str] = sys.modules["kaizen_batch"].__version__
    __author__: ClassVar[str] = "kaizen-batch"

    def execute(self, **runtime_inputs: object) -> NodeData:
        """Run the node from synchronous code, inside or outside of a running loop."""
        return run_sync(lambda: self.execute_async(**runtime_inputs))

    async def execute_async(self, **runtime_inputs: object) -> NodeData:
        """Run the node: a run-time input wins over the same name in the node's configuration."""
        try:
            inputs = self.admit(chosen_by_caller(runtime_inputs, self.config))
            return await self.async_run(**inputs)
        except ConfigError as error:
            raise NodeValidationError(f"Node '{self.id}': {error}") from error
        except (NodeValidationError, NodeExecutionError):
            raise
        except Exception as error:
            raise NodeExecutionError(f"Node '{self.id}' failed: {type(error).__name__}: {error}") from error

    def admit(self, chosen: NodeData) -> NodeData:
        """The inputs of one execution: the configured ones and those that the caller chose.

        Raises: ConfigError for an input that the node does not have.
        """
        declared = self.get_parameters()
        for name in chosen:
            if name not in declared:
                raise unknown_input(name, declared)
        return {name: self.config[name] for name in declared if self.config.get(name) is not None} | chosen

    def _validate_config(self) -> None:
        """Leave the configuration as it is: Kailash would make a list of characters of a text, for example."""

    def validate_inputs(self, **inputs: object) -> NodeData:
        """Pass all inputs on: Kailash would drop unknown names here, before `execute_async` can refuse them."""
        return inputs


def add_instance(builder: WorkflowBuilder, node: AsyncNode, node_id: str) -> None:
    """Add a node that carries Python objects, which only an instance can, without Kailash's advice against it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Instance-based API usage")
        builder.add_node_instance(node, node_id)


def items_of(value: object, name: str) -> Iterable[object] | AsyncIterable[object]:
    """A node's input of many items: any iterable or asynchronous iterable, and the rows of a DataFrame.

    `{"result": [...]}` alone is what AsyncLocalRuntime passes on for a PythonCodeNode's output; it is unwrapped.
    Raises: ConfigError for anything else, such as a text or a dict.
    """
    if isinstance(value, dict) and value.keys() == {"result"}:
        value = value["result"]
    if is_frame(value):
        return frame_items(value)
    if isinstance(value, Iterable | AsyncIterable) and not isinstance(value, str | bytes | Mapping):
        return value
    raise ConfigError(f"{name!r} must be a list or another iterable of items; given: a {type(value).__name__}")


def rows_of(value: object, name: str) -> list[Any]:
    """A node's input of many rows, as a list. Raises: ConfigError for anything that cannot be iterated over."""
    items = items_of(value, name)
    if isinstance(items, AsyncIterable):
        raise ConfigError(f"{name!r} must be a list; given: the asynchronous {type(items).__name__}")
    return list(items)
