"""ParallelBatchStrategy: many items concurrently, results in order."""

from collections import Counter
from collections.abc import AsyncIterable, Collection, Iterable, Sequence
from contextlib import nullcontext
from copy import copy
from typing import Self, Unpack, cast

from kaizen_batch.agents import Agent, AgentLike, as_agent
from kaizen_batch.agents.kaizen import execute_once, is_kaizen_agent
from kaizen_batch.config import Mode, RunConfig, StrategyOptions
from kaizen_batch.engine.reorder_buffer import Bounds, ReorderBuffer
from kaizen_batch.engine.run_state import RunPlan, RunState
from kaizen_batch.engine.source import Source
from kaizen_batch.engine.spill import Spill
from kaizen_batch.engine.supervisor import Supervisor
from kaizen_batch.errors import BadRequestError, ConfigError
from kaizen_batch.events import BatchesWaiting, EventSink, Sinks, for_run
from kaizen_batch.journal.batches import Batch
from kaizen_batch.limits import RateLimits, UpstreamLimits
from kaizen_batch.observers.progress import progress_sink
from kaizen_batch.results import BatchResult, ErrorDict, Result
from kaizen_batch.strategies.batches import Input, ModeRun, Resolved, numbered
from kaizen_batch.strategies.renamed import renamed
from kaizen_batch.strategies.run import BatchRun

Items = Iterable[object] | AsyncIterable[object]

_ITEMS_PER_SLOT = 16
_ITEMS_LEAST = 256


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
        read before. When the run is stopped (a fatal error, the deadline, the budget), each further item of an input of
        known length is `not_attempted`; a generator or an asynchronous input is not read on, also while it waits for
        an item. A generator runs on the event loop: make it an asynchronous one where it waits.
        `on_event` receives the events of this run only, `progress` shows them in the terminal or notebook; `batch` is
        the value of that field in each result.
        """
        resolved = Resolved(self._in_mode(as_agent(agent)))
        shown = progress_sink() if progress else None
        source = Source(items, is_batch=batch)
        return self._start(resolved, source, (self.on_event, on_event, shown), ordered=ordered)

    def _start(
        self, resolved: Resolved, source: Source, sinks: Sequence[EventSink | None], *, ordered: bool = True
    ) -> BatchRun:
        agent = resolved.agent
        config = self.config.over(agent.config)
        if config.journal is not None and agent.endpoint is None:
            raise ConfigError("a journal needs to know where requests go: set `endpoint` on the agent")
        emitted = tuple(for_run(sink) for sink in sinks if sink is not None)
        plan = RunPlan(agent, config, source, emitted, self.limits, resolved.since, resolved.waiting > 0)
        run = RunState(plan)
        count = max(_ITEMS_PER_SLOT * run.limits.max_concurrent, _ITEMS_LEAST)
        bounds = Bounds(count, config.window or count, config.buffer_bytes, config.window)
        spill = None if config.journal is None else Spill(config.journal.parent)
        return BatchRun(Supervisor(run, ReorderBuffer(bounds, ordered=ordered, spill=spill)))

    def _in_mode(self, agent: Agent) -> Agent:
        """The agent that asks in the configured mode. Raises: ConfigError for one without results as they come."""
        mode = self.config.over(agent.config).mode
        if mode in ("batch", "auto"):
            raise ConfigError(f"mode={mode!r} has no results before its batches end: use run_batch or run_job")
        return agent.in_mode(mode)

    def streams(self, agent: Agent) -> bool:
        """Whether the configured mode has results as they come, so that `stream` serves it."""
        return self.config.over(agent.config).mode in ("live", "flex")

    async def resolve(
        self, agent: AgentLike, items: Input, *, total: int | None = None, on_event: EventSink | None = None
    ) -> Resolved:
        """Settle the mode of a run and, in batch mode, have batches answer what they can; then `stream_resolved`.

        `items` opens the input from its first item, more than once. Raises: ConfigError; ProviderError if the provider
        refuses a batch; JournalError.
        """
        adapted = as_agent(agent)
        config = self.config.over(adapted.config)
        if self.streams(adapted):
            return Resolved(adapted)
        self._start(Resolved(adapted), Source(()), ())  # what is wrong with the options is said before any call
        sinks = Sinks(*(sink for sink in (self.on_event, on_event) if sink is not None))

        async def ask_live(number: int) -> bool:
            with items() as opened:
                first = [item async for _, item in numbered(opened, number)]
            some = copy(adapted)
            some.lists_rows = False  # a list of a few rows would take the place of the whole one
            async with self._start(Resolved(some), Source(first), ()) as run:
                errors = [result["error"] async for result in run]
            if not run.summary.stopped and first and not run.summary.ok and run.summary.failed:
                raise BadRequestError(_none_answered(errors), code="live_first_failed")
            return run.summary.stopped is None

        def watch(batches: list[Batch]) -> None:
            sinks(_waiting(batches))

        return await ModeRun(adapted, config, items, ask_live, total, watch).resolve()

    def stream_resolved(
        self, resolved: Resolved, items: Items, *, batch: bool = True, on_event: EventSink | None = None
    ) -> BatchRun:
        """The results of a run whose mode is settled; see `resolve`."""
        if self.streams(resolved.agent):
            return self.stream(resolved.agent, items, batch=batch, on_event=on_event)
        return self._start(resolved, Source(items, is_batch=batch), (self.on_event, on_event))

    async def run_batch(
        self,
        agent: AgentLike,
        items: Items,
        *,
        on_event: EventSink | None = None,
        progress: bool = False,
        mode: Mode | None = None,
    ) -> BatchResult:
        """All results in order, and the summary; `mode` in place of the one that is configured.

        In batch mode this waits for the provider, up to a day; with `detach` it returns at once, and results that are
        not there yet have the code `in_batch`. The same call with the same journal collects them.
        """
        strategy = self if mode is None else self.configured(self.config.with_mode(mode))
        adapted = as_agent(agent)
        if strategy.streams(adapted):
            async with strategy.stream(adapted, items, on_event=on_event, progress=progress) as run:
                results = [result async for result in run]
            return BatchResult(results, run.summary)
        return await strategy._run_in_batches(adapted, items, (on_event, progress_sink() if progress else None))

    async def _run_in_batches(self, agent: Agent, items: Items, sinks: Sequence[EventSink | None]) -> BatchResult:
        found = items if isinstance(items, Collection) else [item async for _, item in numbered(items)]
        watching = Sinks(*(sink for sink in sinks if sink is not None))
        resolved = await self.resolve(agent, lambda: nullcontext(found), total=len(found), on_event=watching)
        async with self._start(resolved, Source(found), (self.on_event, *sinks)) as run:
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


def _none_answered(errors: Sequence[ErrorDict | None]) -> str:
    said = next((error["message"] for error in errors if error is not None), "")
    return f"none of the first {len(errors)} rows was answered live, so nothing was submitted; the first error: {said}"


def _waiting(batches: list[Batch]) -> BatchesWaiting:
    done = sum(int(batch.counts.get("completed", 0)) for batch in batches)
    states = Counter(batch.status for batch in batches)
    return BatchesWaiting(len(batches), sum(batch.rows for batch in batches), done, dict(states))
