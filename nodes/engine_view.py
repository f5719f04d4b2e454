"""How the engine sees an agent node: its `run_async` as an Agent, and the node as a sink of events."""

import logging
from collections.abc import Mapping
from typing import Any, Protocol

from kaizen_batch.agents import Agent, FunctionAgent, limits_of
from kaizen_batch.config import BatchConfig, RunConfig
from kaizen_batch.errors import ConfigError, KaizenBatchError
from kaizen_batch.events import BatchFinished, BatchProgress, Event
from kaizen_batch.files.jobs import JobResult
from kaizen_batch.limits import UpstreamLimits
from kaizen_batch.metrics import RunMetrics
from kaizen_batch.nodes.kailash_types import NodeData, ProgressUpdate, current_progress_registry
from kaizen_batch.observers.progress.figures import Pace, text_of
from kaizen_batch.providers import Completion
from kaizen_batch.results import BatchResult
from kaizen_batch.strategies import BatchRun, ParallelBatchStrategy
from kaizen_batch.strategies.parallel import Items

logger: logging.Logger = logging.getLogger("kaizen_batch.agent")

_CEILINGS = ("max_concurrent", "requests_per_minute", "tokens_per_minute")


class _Node(Protocol):
    """What this module needs of a node."""

    @property
    def id(self) -> str: ...

    async def run_async(self, **inputs: Any) -> NodeData: ...

    def classify_error(self, error: Exception) -> KaizenBatchError: ...

    def finish_run(self, metrics: RunMetrics, elapsed_s: float) -> None: ...

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
    """Passes the events of a run on to its node: its end, log lines, and progress for the runtime's registry."""

    def __init__(self, node: _Node, metrics: RunMetrics) -> None:
        self.wants_calls: bool = logger.isEnabledFor(logging.DEBUG)
        self.wants_items: bool = False
        self.wants_failures: bool = logger.isEnabledFor(logging.WARNING)
        self._node = node
        self._metrics = metrics
        self._pace = Pace()
        # Looked up once, in the context of the execution: the runtime sets it for each one.
        self._registry = current_progress_registry.get()

    def __call__(self, event: Event) -> None:
        if isinstance(event, BatchFinished):
            self._node.finish_run(self._metrics, event.summary.elapsed_s)
        self._node.log_event(event)
        if self._registry is not None and isinstance(event, BatchProgress):
            self._pace.add(event)
            text = text_of(event, self._pace)
            self._registry.emit(ProgressUpdate(self._node.id, event.done, event.total, text))


def streaming(strategy: Any) -> ParallelBatchStrategy:
    """A strategy that can stream. Raises: ConfigError for one that cannot."""
    if callable(getattr(strategy, "stream", None)):
        return strategy  # type: ignore[no-any-return]
    raise ConfigError(
        f"the strategy {type(strategy).__name__} has no `stream`, which stream, run_batch, run_job and workflows need; "
        "with `execute_batch` alone it serves process_batch; derive it from ParallelBatchStrategy"
    )


async def run_items(strategy: Any, agent: Agent, items: Items, *, batch: bool = True) -> BatchResult:
    """All results of a run in the configured mode; a single item (`batch=False`) is asked live."""
    runner = streaming(strategy)
    if not isinstance(runner, ParallelBatchStrategy) or runner.streams(agent):
        return await collected(runner.stream(agent, items, batch=batch))
    if batch:
        return await runner.run_batch(agent, items)
    return await collected(asking_live(runner).stream(agent, items, batch=False))


def asking_live(strategy: ParallelBatchStrategy) -> ParallelBatchStrategy:
    """The same strategy, without batches."""
    return strategy.configured(strategy.config.with_mode("live"))


def lowered(strategy: object, chosen: Mapping[str, Any]) -> object:
    """An assigned strategy for one execution, with the limits that were chosen for it where they are lower."""
    if not isinstance(strategy, ParallelBatchStrategy):
        return strategy
    wanted = RunConfig(**{name: chosen[name] for name in _CEILINGS if chosen.get(name) is not None})
    lower = {
        name: getattr(wanted, name)
        for name in wanted.model_fields_set
        if _is_within(getattr(wanted, name), getattr(strategy.config, name))
    }
    return strategy.configured(RunConfig(**lower).over(strategy.config))


def limits_within(limits: UpstreamLimits, own: BatchConfig, config: BatchConfig) -> UpstreamLimits:
    """A node's limits over all runs; an execution whose author let it raise one of them has limits of its own."""
    if config is own or all(_is_within(getattr(config, name), getattr(own, name)) for name in _CEILINGS):
        return limits
    raised = limits_of(config)
    raised.shared = limits.shared
    return raised


def _is_within(value: int | None, ceiling: int | None) -> bool:
    return ceiling is None or (value is not None and value <= ceiling)


def of_job(result: JobResult) -> tuple[BatchResult, NodeData]:
    """A file job as the node gives it: a result without rows, and what its summary has besides."""
    where = {"output_path": result.output, "failed_path": result.failed_output}
    counts = {"rows_read": result.rows_read, "rows_written": result.rows_written, "rows_failed": result.rows_failed}
    return BatchResult([], result.summary), {**where, **counts}


async def collected(run: BatchRun) -> BatchResult:
    """All results of a run, in memory."""
    async with run:
        results = [result async for result in run]
    return BatchResult(results, run.summary)
