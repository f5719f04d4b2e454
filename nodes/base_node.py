"""DataNode: a Kailash node that passes its data on untouched."""

from typing import Any

from kaizen_batch.concurrency.sync import run_sync
from kaizen_batch.errors import ConfigError
from kaizen_batch.nodes.kailash_types import AsyncNode, NodeExecutionError, NodeParameter, NodeValidationError


class DataNode(AsyncNode):
    """The base of this package's nodes: subclass it, declare `get_parameters`, write `async_run`.

    Kailash's own `execute_async` replaces `${name}` inside the data by run-time inputs, formats a repr of all
    inputs for a log line that nobody reads, and serialises all outputs on the event loop. This one hands the
    declared inputs over as they are.

    Raises: NodeValidationError for wrong inputs, NodeExecutionError for anything else; its cause is the error.
    """

    def execute(self, **runtime_inputs: Any) -> dict[str, Any]:
        """Run the node from synchronous code, inside or outside of a running loop."""
        return run_sync(lambda: self.execute_async(**runtime_inputs))

    async def execute_async(self, **runtime_inputs: Any) -> dict[str, Any]:
        """Run the node: a run-time input wins over the same name in the node's configuration."""
        declared = self.get_parameters()
        inputs = {name: self.config[name] for name in declared if self.config.get(name) is not None}
        inputs.update({name: value for name, value in runtime_inputs.items() if name in declared and value is not None})
        try:
            return await self.async_run(**inputs)
        except ConfigError as error:
            raise NodeValidationError(f"Node '{self.id}': {error}") from error
        except (NodeValidationError, NodeExecutionError):
            raise
        except Exception as error:
            raise NodeExecutionError(f"Node '{self.id}' failed: {type(error).__name__}: {error}") from error


def declared(described: dict[str, str]) -> dict[str, NodeParameter]:
    """Optional parameters by name and description, of type Any.

    Any other type has Kailash convert what is given: a text into a list of characters, say.
    """
    return {
        name: NodeParameter(name=name, type=Any, required=False, default=None, description=text)
        for name, text in described.items()
    }


def rows_of(value: Any, name: str) -> list[Any]:
    """A node's list input; raises ConfigError for anything but a list or tuple."""
    if isinstance(value, list | tuple):
        return list(value)
    raise ConfigError(f"{name!r} must be a list; given: a {type(value).__name__}")
