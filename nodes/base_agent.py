"""BaseAgent: an async worker for single items, as a Kailash node that works on batches."""

import logging
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, Unpack, cast

from kaizen_batch.agents import FunctionAgent
from kaizen_batch.concurrency.sync import run_sync
from kaizen_batch.config import BatchConfig, BatchOptions
from kaizen_batch.errors import ConfigError
from kaizen_batch.events import BatchProgress, Event, EventSink, Together
from kaizen_batch.files.jobs import FileJob, JobResult, run_job
from kaizen_batch.nodes.base_node import DataNode, declared, rows_of
from kaizen_batch.nodes.kailash_types import NodeParameter, ProgressUpdate, current_progress_registry
from kaizen_batch.nodes.mixins import ErrorHandlingMixin, LoggingMixin, PerformanceMixin
from kaizen_batch.observers.progress.figures import Pace, text_of
from kaizen_batch.providers import Completion
from kaizen_batch.results import BatchResult, BatchSummary, Result
from kaizen_batch.strategies import BatchRun, ParallelBatchStrategy
from kaizen_batch.strategies.parallel import Items

logger = logging.getLogger("kaizen_batch.agent")

_NOT_STORED = ("api_key", "base_url")
_INPUTS = {
    "batch": "list of items, each a dict or a text",
    "prompt": "one text, instead of a batch",
    "input_path": "a file of rows (JSONL, CSV, TSV, Parquet), instead of a batch",
    "output_path": "where the rows go with their results, with `input_path`",
    "template": "the prompt of a row, with {column} places, with `input_path`",
}


class NodeOptions(BatchOptions, total=False):
    """The options of an agent node: those of BatchConfig, and the inputs that its workflow does not connect."""

    endpoint: str
    batch: Sequence[object]
    prompt: str
    input_path: str | PathLike[str]
    output_path: str | PathLike[str]
    template: str


class BaseAgent(LoggingMixin, PerformanceMixin, ErrorHandlingMixin, DataNode):
    """An agent of your own: subclass it and write `async run_async(**inputs) -> dict`.

    >>> class Shout(BaseAgent):
    ...     async def run_async(self, text, **_):
    ...         return {"loud": text.upper()}
    >>> Shout(max_concurrent=5).execute(batch=[{"text": "hi"}])["results"][0]["loud"]
    'HI'

    The first argument is a BatchConfig or a dict of its options; they can be keywords just as well. As a node it
    takes `batch` (a list of dicts or texts) or `prompt` (one text), and gives `results` and `summary`.

    Large jobs go by path: `input_path`, `output_path` and, as a rule, `template` do what `run_job` does with a
    FileJob, in constant memory. Then `results` is empty, for the results are in the file, and `summary` also has
    `output_path`, `failed_path` (None if no row failed), `rows_read`, `rows_written` and `rows_failed`.

    Raises: ConfigError for an unknown or invalid option.
    """

    _INIT_CAPTURE_EXCLUDE = DataNode._INIT_CAPTURE_EXCLUDE | {"config", "signature", "provider", "on_event"}

    def __init__(
        self,
        config: BatchConfig | NodeOptions | None = None,
        *,
        on_event: EventSink | None = None,
        **options: Unpack[NodeOptions],
    ) -> None:
        given: dict[str, object] = {**options}
        node = {name: given.pop(name) for name in list(given) if name.startswith("_")}
        inputs = {name: given.pop(name) for name in _INPUTS if name in given}
        self.batch_config = _batch_config(config, given)
        self._on_event = on_event
        self.strategy = self._strategy(self.batch_config)
        self._start_measuring()
        super().__init__(**_stored(self.batch_config), **inputs, **node)

    async def run_async(self, **inputs: Any) -> dict[str, Any]:
        """The work for one item; its dict becomes the result."""
        raise NotImplementedError(f"{type(self).__name__} has no run_async")

    def stream(self, items: Items, *, ordered: bool = True) -> BatchRun:
        """Results as they come, of any number of items, in constant memory; see ParallelBatchStrategy.stream."""
        return self._start(self.strategy, self._agent(self.batch_config), items, ordered=ordered)

    async def run_batch(self, items: Items) -> BatchResult:
        """All results in order, and the summary."""
        return await self._collect(self.stream(items))

    async def process_batch(self, items: Items) -> list[Result]:
        """One result dict for each item, in order."""
        return (await self.run_batch(items)).results

    async def run_job(self, job: FileJob) -> JobResult:
        """A batch from file to file, in constant memory; see `kaizen_batch.run_job`."""
        return await self._run_job(job, self.strategy, self._agent(self.batch_config))

    def process_single(self, inputs: object) -> Result:
        """One result dict for one item, from synchronous code, inside a running loop as well."""
        return run_sync(lambda: self._single(inputs))

    def get_parameters(self) -> dict[str, NodeParameter]:
        """The node's inputs, and every option of BatchConfig but the key."""
        described = {
            **_INPUTS,
            "endpoint": "the same as base_url, under a name that a serialised workflow keeps",
            **{name: f"option {name} of BatchConfig" for name in _option_names()},
        }
        return declared(described)

    async def async_run(self, **inputs: Any) -> dict[str, Any]:
        """Run the batch, the one prompt or the file that the graph hands over."""
        given = {name: inputs.pop(name, None) for name in _INPUTS}
        strategy, agent = self._for_run(inputs)
        kind = _kind_of_input(given)
        if kind == "input_path":
            job = FileJob(given["input_path"], given["output_path"], template=given["template"])
            return _job_outputs(await self._run_job(job, strategy, agent))
        if kind == "batch":
            result = await self._collect(self._start(strategy, agent, rows_of(given["batch"], "batch")))
        elif kind == "prompt":
            result = await self._collect(self._start(strategy, agent, [given["prompt"]], batch=False))
        else:
            logger.warning("%s: neither `batch` nor `prompt` was given; the result is empty", self.id)
            result = BatchResult([], BatchSummary(max_concurrent=self.batch_config.max_concurrent))
        return {"results": result.results, "summary": result.summary.to_dict()}

    async def _run_job(self, job: FileJob, strategy: ParallelBatchStrategy, agent: Any) -> JobResult:
        own, given = _Observer(self), strategy.on_event
        tell = own if given is None else Together(own, given)
        return await run_job(job, agent, strategy.config, on_event=tell, on_start=self.watch_run)

    def _start(self, strategy: ParallelBatchStrategy, agent: Any, items: Items, **options: Any) -> BatchRun:
        return self.watch_run(strategy.stream(agent, items, on_event=_Observer(self), **options))

    async def _collect(self, run: BatchRun) -> BatchResult:
        async with run:
            results = [result async for result in run]
        return BatchResult(results, run.summary)

    async def _single(self, inputs: object) -> Result:
        run = self._start(self.strategy, self._agent(self.batch_config), [inputs], batch=False)
        return (await self._collect(run)).results[0]

    def _for_run(self, options: dict[str, Any]) -> tuple[ParallelBatchStrategy, Any]:
        """The strategy and agent of one execution: run-time parameters of the graph change options for it alone."""
        stored = _stored(self.batch_config)
        changed = {name: value for name, value in options.items() if stored.get(name) != value}
        if not changed:
            return self.strategy, self._agent(self.batch_config)
        config = self.batch_config.with_options(**_named(changed))
        return self._strategy(config), self._agent(config)

    def _strategy(self, config: BatchConfig) -> ParallelBatchStrategy:
        return ParallelBatchStrategy.from_config(config, on_event=self._on_event)

    def _agent(self, config: BatchConfig) -> Any:
        return _Classified(self)


class _Observer:
    """What a run tells its agent: the figures, the log lines, and the progress for the runtime's registry."""

    def __init__(self, agent: BaseAgent) -> None:
        self.wants_calls = logger.isEnabledFor(logging.DEBUG)
        self._agent = agent
        self._pace = Pace()
        # Looked up once, in the context of the execution: the runtime sets it for each one.
        self._registry = current_progress_registry.get()

    def __call__(self, event: Event) -> None:
        self._agent.measure_event(event)
        self._agent.log_event(event)
        if self._registry is not None and isinstance(event, BatchProgress):
            self._pace.add(event)
            text = text_of(event, self._pace)
            self._registry.emit(ProgressUpdate(self._agent.id, event.done, event.total, text))


class _Classified(FunctionAgent):
    """A BaseAgent's `run_async` behind the full protocol, with its own `classify_error`."""

    def __init__(self, agent: BaseAgent) -> None:
        super().__init__(agent)
        self._classify = agent.classify_error

    async def complete(self, request: Any) -> Completion:
        """Call `run_async`; its errors are told apart by the agent."""
        try:
            return await super().complete(request)
        except Exception as error:
            raise self._classify(error) from error


def _kind_of_input(given: dict[str, Any]) -> str | None:
    """Which input the graph hands over. Raises: ConfigError for two of them, or a file without its other half."""
    kinds = [name for name in ("batch", "prompt", "input_path") if given[name] is not None]
    if len(kinds) > 1:
        raise ConfigError(f"the node takes `batch` or `prompt` or `input_path`; given: {' and '.join(kinds)}")
    if kinds == ["input_path"] and given["output_path"] is None:
        raise ConfigError("`input_path` needs `output_path`, the file that the results go to")
    if kinds != ["input_path"]:
        for name in ("output_path", "template"):
            if given[name] is not None:
                raise ConfigError(f"`{name}` goes with `input_path`; for rows in the graph there is PromptTemplateNode")
    return kinds[0] if kinds else None


def _job_outputs(result: JobResult) -> dict[str, Any]:
    where = {"output_path": result.output, "failed_path": result.failed_output}
    counts = {"rows_read": result.rows_read, "rows_written": result.rows_written, "rows_failed": result.rows_failed}
    return {"results": [], "summary": {**result.summary.to_dict(), **where, **counts}}


def _option_names() -> list[str]:
    return [name for name in BatchConfig.model_fields if name not in _NOT_STORED]


def _named(options: Mapping[str, object]) -> BatchOptions:
    """Options with `endpoint`, the name that survives serialisation, as `base_url`."""
    named = {name: value for name, value in options.items() if name != "endpoint"}
    if options.get("endpoint") is not None:
        named["base_url"] = options["endpoint"]
    return cast(BatchOptions, named)


def _batch_config(config: BatchConfig | NodeOptions | None, options: dict[str, object]) -> BatchConfig:
    if config is None:
        return BatchConfig(**_named(options))
    if isinstance(config, BatchConfig):
        return config.with_options(**_named(options)) if options else config
    if isinstance(config, dict):
        return BatchConfig(**_named({**config, **options}))
    raise ConfigError(f"config must be a BatchConfig or a dict of its options; given: a {type(config).__name__}")


def _stored(config: BatchConfig) -> dict[str, Any]:
    """What the node keeps in `self.config`, and so in a serialised workflow: no key, the endpoint by another name."""
    options = config.model_dump(exclude_unset=True, exclude=set(_NOT_STORED))
    if "base_url" in config.model_fields_set and config.base_url is not None:
        options["endpoint"] = config.base_url
    return options
