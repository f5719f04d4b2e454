"""How the engine sees an agent node: its `run_async` as an Agent, and the node as a sink of events."""

import logging
from typing import Any, Protocol

from kaizen_batch.agents import FunctionAgent
from kaizen_batch.errors import KaizenBatchError
from kaizen_batch.events import BatchProgress, Event
from kaizen_batch.nodes.kailash_types import ProgressUpdate, current_progress_registry
from kaizen_batch.observers.progress.figures import Pace, text_of
from kaizen_batch.providers import Completion

logger = logging.getLogger("kaizen_batch.agent")


class _Node(Protocol):
    """What this module needs of a node."""

    @property
    def id(self) -> str: ...

    async def run_async(self, **inputs: Any) -> dict[str, Any]: ...

    def classify_error(self, error: Exception) -> KaizenBatchError: ...

    def measure_event(self, event: Event) -> None: ...

    def log_event(self, event: Event) -> None: ...


class OwnWork(FunctionAgent):
    """A node's own `run_async` as an Agent; the node's `classify_error` decides about its errors."""

    def __init__(self, node: _Node) -> None:
        super().__init__(node)
        self._classify = node.classify_error

    async def complete(self, request: Any) -> Completion:
        """Call `run_async`."""
        try:
            return await super().complete(request)
        except Exception as error:
            raise self._classify(error) from error


class NodeSink:
    """Passes the events of a run on to its node: figures, log lines, and progress for the runtime's registry."""

    def __init__(self, node: _Node) -> None:
        self.wants_calls = logger.isEnabledFor(logging.DEBUG)
        self._node = node
        self._pace = Pace()
        # Looked up once, in the context of the execution: the runtime sets it for each one.
        self._registry = current_progress_registry.get()

    def __call__(self, event: Event) -> None:
        self._node.measure_event(event)
        self._node.log_event(event)
        if self._registry is not None and isinstance(event, BatchProgress):
            self._pace.add(event)
            text = text_of(event, self._pace)
            self._registry.emit(ProgressUpdate(self._node.id, event.done, event.total, text))
