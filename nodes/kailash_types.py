"""What these nodes use of Kailash, with types: Kailash ships none, and an unknown base class hides wrong options."""

from typing import TYPE_CHECKING, Any

NodeData = dict[str, Any]
"""What a node takes and returns, by name."""

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextvars import ContextVar
    from typing import ClassVar, Self, TypeVar

    class NodeParameter:
        """One input of a node."""

        choices: list[object] | None
        default: object
        description: str
        type: Any

        def __init__(self, *, name: str, type: Any, description: str, **more: object) -> None: ...

    class AsyncNode:
        """The base class of nodes."""

        _INIT_CAPTURE_EXCLUDE: ClassVar[frozenset[str]]
        id: str
        config: NodeData

        def __init__(self, **kwargs: object) -> None: ...
        def get_parameters(self) -> dict[str, NodeParameter]: ...
        def execute(self, **runtime_inputs: object) -> NodeData: ...
        async def execute_async(self, **runtime_inputs: object) -> NodeData: ...
        def validate_inputs(self, **inputs: object) -> NodeData: ...
        def get_output_schema(self) -> dict[str, NodeParameter]: ...
        def run(self, **inputs: object) -> object: ...
        async def async_run(self, *args: Any, **inputs: Any) -> NodeData: ...

    class NodeValidationError(Exception):
        """The inputs of a node are wrong."""

    class NodeExecutionError(Exception):
        """A node failed."""

    class ProgressUpdate:
        """How far a node has come."""

        def __init__(self, node_id: str, current: int, total: int | None, message: str) -> None: ...

    class ProgressRegistry:
        """Who is told of progress."""

        def emit(self, update: ProgressUpdate) -> None: ...

    class SecretProvider:
        """Where keys are kept."""

        def get_secret(self, name: str, version: str | None = None) -> str: ...

    class EnvironmentSecretProvider(SecretProvider):
        """Keys in environment variables."""

    class WorkflowBuilder:
        """Collects nodes and connections."""

        def add_node(self, node_type: str, node_id: str, config: Mapping[str, object] = ...) -> str: ...
        def add_connection(self, from_node: str, from_output: str, to_node: str, to_input: str) -> Self: ...
        def add_node_instance(self, node_instance: AsyncNode, node_id: str | None = None) -> str: ...
        def build(self) -> object: ...

    current_progress_registry: ContextVar[ProgressRegistry | None]

    _Node = TypeVar("_Node", bound=type[AsyncNode])

    def register_node() -> Callable[[_Node], _Node]: ...

else:
    from kailash.nodes.base import NodeParameter, register_node
    from kailash.nodes.base_async import AsyncNode
    from kailash.runtime.progress import ProgressRegistry, ProgressUpdate
    from kailash.runtime.progress import _current_progress_registry as current_progress_registry
    from kailash.runtime.secret_provider import EnvironmentSecretProvider, SecretProvider
    from kailash.sdk_exceptions import NodeExecutionError, NodeValidationError
    from kailash.workflow.builder import WorkflowBuilder

__all__ = [
    "AsyncNode",
    "EnvironmentSecretProvider",
    "NodeData",
    "NodeExecutionError",
    "NodeParameter",
    "NodeValidationError",
    "ProgressRegistry",
    "ProgressUpdate",
    "SecretProvider",
    "WorkflowBuilder",
    "current_progress_registry",
    "register_node",
]
