"""ParallelBatchStrategy: many items concurrently, results in order."""

from collections.abc import AsyncIterable, Iterable
from copy import copy
from typing import Self, Unpack, cast

from kaizen_batch.agents import AgentLike, as_agent
from kaizen_batch.agents.kaizen import execute_once, is_kaizen_agent
from kaizen_batch.config import RunConfig, StrategyOptions
from kaizen_batch.engine.reorder_buffer import ReorderBuffer
from kaizen_batch.engine.run_state import RunPlan, RunState
from kaizen_batch.engine.source import Source
from kaizen_batch.engine.supervisor import Supervisor
from kaizen_batch.errors import ConfigError
from kaizen_batch.events import EventSink, for_run
from kaizen_batch.limits import RateLimits, UpstreamLimits
from kaizen_batch.observers.progress import progress_sink
from kaizen_batch.results import BatchResult, Result
from kaizen_batch.strategies.run import BatchRun
from kaizen_batch.texts.renamed import renamed

Items = Iterable[object] | AsyncIterable[object]

_WINDOW_FACTOR = 16
_WINDOW_LEAST = 256


class ParallelBatchStrategy:
    """Runs an agent over many items, at most `max_concurrent` calls at once.

    >>> strategy = ParallelBatchStrategy(max_concurrent=20)
    >>> results = await strategy.execute_batch(agent, items)

    An agent has `prepare`, `complete` and `parse`, or just `async run_async(**inputs)`, or is an async function.
    The options are those of RunConfig, which says what each means. The strategy itself holds no state: each run
    has its own limits and counts, so that one strategy serves any number of runs, loops and threads.

    Raises: ConfigError for a wrong option.
    """

    def __init__(
        self,
        max_concurrent: int = 10,
        *,
        on_event: EventSink | None = None,
        limits: RateLimits | None = None,
        **options: Unpack[StrategyOptions],
    ) -> None:
        if on_event is not None and not callable(on_event):
            raise ConfigError(f"on_event must be a function of one event; given: {on_event!r}")
        self.config: RunConfig = RunConfig(max_concurrent=max_concurrent, **options)
        self.on_event = on_event
        self.limits = limits
        self._ceiling_of: UpstreamLimits | None = None

    @classmethod
    def from_config(cls, config: RunConfig, *, on_event: EventSink | None = None) -> Self:
        """The strategy that a config describes."""
        strategy = cls(config.max_concurrent, on_event=on_event)
        strategy.config = RunConfig(max_concurrent=config.max_concurrent).over(config)
        return strategy

    def configured(self, config: RunConfig) -> Self:
        """A copy with other options."""
        changed = copy(self)
        changed.config = config
        return changed

    def belongs_to(self, limits: UpstreamLimits) -> Self:
        """Make this the strategy of the agent with these limits: its `max_concurrent` is the agent's ceiling."""
        self._ceiling_of = limits
        return self

    @property
    def max_concurrent(self) -> int:
        """Calls in flight at once; the agent's own ceiling may be lower. An assigned value applies to later runs.

        For the strategy that an agent created for itself, it is the ceiling of all runs of the agent, at once.
        """
        return self.config.max_concurrent

    @max_concurrent.setter
    def max_concurrent(self, value: int) -> None:
        self.config = RunConfig(max_concurrent=value).over(self.config)
        if self._ceiling_of is not None:
            self._ceiling_of.resize(value)

    def stream(
        self,
        agent: AgentLike,
        items: Items,
        *,
        ordered: bool = True,
        batch: bool = True,
        on_event: EventSink | None = None,
        progress: bool = False,
    ) -> BatchRun:
        """Results as they are finished, in the order of the items or, with `ordered=False`, of completion.

        Takes lists, generators and async generators of any length in constant memory: when the reader is slow,
        the workers wait. An input that raises ends the stream with its error, after the results of the items
        read before. When a fatal error stops the run, the input is read on, so that every item has its result:
        `not_attempted`; leave an endless input by `break`. `on_event` receives the events of this run only,
        `progress` shows them in the terminal or notebook; `batch` is the value of that field in each result.
        """
        adapted = as_agent(agent)
        config = self.config.over(adapted.config)
        if config.journal is not None and adapted.endpoint is None:
            raise ConfigError("a journal needs to know where requests go: set `endpoint` on the agent")
        shown = progress_sink() if progress else None
        sinks = tuple(for_run(sink) for sink in (self.on_event, on_event, shown) if sink is not None)
        run = RunState(RunPlan(adapted, config, Source(items, is_batch=batch), sinks, self.limits))
        window = config.window or max(_WINDOW_FACTOR * run.limits.max_concurrent, _WINDOW_LEAST)
        return BatchRun(Supervisor(run, ReorderBuffer(window, ordered=ordered)))

    async def run_batch(
        self, agent: AgentLike, items: Items, *, on_event: EventSink | None = None, progress: bool = False
    ) -> BatchResult:
        """All results in order, and the summary."""
        async with self.stream(agent, items, on_event=on_event, progress=progress) as run:
            results = [result async for result in run]
        return BatchResult(results, run.summary)

    @renamed(batch="batch_inputs")
    async def execute_batch(self, agent: AgentLike, batch_inputs: Items, *, progress: bool = False) -> list[Result]:
        """One dict for each item, in order; `[]` for an empty batch.

        Raises: BatchError with `on_error="raise"`.
        """
        return (await self.run_batch(agent, batch_inputs, progress=progress)).results

    async def execute(self, agent: AgentLike, inputs: object, *, on_event: EventSink | None = None) -> Result:
        """One item, with the same retries and limits; its result says `batch: False`.

        An agent of kailash-kaizen calls this for each of its own calls, and gets what kaizen's strategy returns.
        """
        if is_kaizen_agent(agent):
            return cast(Result, await execute_once(agent, inputs))
        async with self.stream(agent, [inputs], batch=False, on_event=on_event) as run:
            [result] = [result async for result in run]
        return result
