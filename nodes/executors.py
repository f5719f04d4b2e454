"""A node's jobs by path on a Ray cluster: each worker makes the node again, from what a pickle keeps of it."""

import os
import pickle
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from kaizen_batch.agents import Agent
from kaizen_batch.config import BatchConfig
from kaizen_batch.distributed import Work
from kaizen_batch.distributed.ray_executor import RayExecutor
from kaizen_batch.errors import ConfigError
from kaizen_batch.events import EventSink, Sinks
from kaizen_batch.files.job import FileJob, JobResult
from kaizen_batch.metrics import RunMetrics
from kaizen_batch.nodes.kailash_types import NodeData
from kaizen_batch.nodes.pickling import Recipe
from kaizen_batch.observers.progress import progress_sink

_OF_THIS_PROCESS = ("strategy", "limits", "on_event")


class _Node(Protocol):
    """What this module needs of a node."""

    def watch(self, metrics: RunMetrics) -> tuple[EventSink, ...]: ...

    def __reduce__(self) -> Recipe: ...

    def agent_of_worker(self, config: BatchConfig, *, in_graph: bool) -> Agent: ...


class _Settings(Protocol):
    """The options of a node that are about its executor."""

    @property
    def executor(self) -> object: ...
    @property
    def ray_address(self) -> str | None: ...
    @property
    def workers(self) -> int | None: ...
    @property
    def run_folder(self) -> str | os.PathLike[str] | None: ...
    @property
    def runtime_inputs(self) -> tuple[str, ...]: ...


def executor_of(settings: _Settings) -> RayExecutor | None:
    """What runs jobs by path; None for this process. Raises: ConfigError."""
    if settings.executor is None:
        for name in ("ray_address", "workers", "run_folder"):
            if getattr(settings, name) is not None:
                raise ConfigError(f"{name} belongs to an executor: add executor='ray', or leave out {name}")
        return None
    if settings.executor != "ray":
        raise ConfigError(f"executor must be 'ray' or None; given: {settings.executor!r}")
    for name in ("signature", "provider"):
        if name in settings.runtime_inputs:
            raise ConfigError(
                f"runtime_inputs opens {name!r}, and the workers of an executor make the node without it: leave out one"
            )
    workers = 2 if settings.workers is None else settings.workers
    return RayExecutor(settings.ray_address, workers, settings.run_folder)


def check_objects(executor: RayExecutor | None, strategy: object, limits: object) -> None:
    """Raise ConfigError for an executor beside what holds in one process only."""
    if executor is not None and not (strategy is None and limits is None):
        raise ConfigError(
            "an executor's workers have strategies and limits of their own: leave out strategy and limits"
        )


@dataclass(frozen=True)
class Remade:
    """Makes the agent of a node in another process."""

    make: Callable[..., Any]
    kind: type
    options: NodeData
    in_graph: bool

    def __call__(self, config: BatchConfig) -> Agent:
        """The agent for this config. Raises: ConfigError."""
        node: _Node = self.make(self.kind, self.options)
        return node.agent_of_worker(config, in_graph=self.in_graph)


def work_of(node: _Node, job: FileJob, config: BatchConfig, *, in_graph: bool = False) -> Work:
    """A job as the workers get it. Raises: ConfigError for a node that cannot be made elsewhere."""
    try:
        make, (kind, options) = node.__reduce__()
    except pickle.PicklingError as error:
        raise ConfigError(str(error)) from None
    kept = {name: value for name, value in options.items() if name not in _OF_THIS_PROCESS}
    if kept.get("api_key_secret") is not None:
        config = config.model_copy(update={"api_key": None})  # each worker asks the secret provider
    return Work(job, config, Remade(make, kind, kept, in_graph), home=str(Path.cwd()))


async def run_work(node: _Node, work: Work, executor: RayExecutor, *, progress: bool = False) -> JobResult:
    """Run a job on the cluster; the node hears of it as of any run. Raises: ConfigError, RecordError, JournalError."""
    metrics, display = RunMetrics(), progress_sink() if progress else None
    with display or nullcontext():
        sinks = (*node.watch(metrics), *(() if display is None else (display,)))
        return await executor.run(work, on_event=Sinks(*sinks), metrics=metrics)
