"""ParallelBatchStrategy: many items at once, results in order. The main path."""

from collections.abc import AsyncIterable, Iterable
from typing import Any, Literal, Self

from kaizen_batch.agents import as_agent
from kaizen_batch.config import BatchConfig
from kaizen_batch.errors import ConfigError
from kaizen_batch.events import EventSink
from kaizen_batch.results import BatchResult
from kaizen_batch.retries import RetryPolicy
from kaizen_batch.strategies.pipeline import Pipeline
from kaizen_batch.strategies.run import BatchRun, Workers
from kaizen_batch.strategies.source import Source

Items = Iterable[Any] | AsyncIterable[Any]

_WINDOW_FACTOR = 16
_WINDOW_LEAST = 256


class ParallelBatchStrategy:
    """Runs an agent over many items, at most `max_concurrent` calls at once.

    >>> strategy = ParallelBatchStrategy(max_concurrent=20)
    >>> results = await strategy.execute_batch(agent, items)

    An agent has `prepare`, `complete` and `parse`, or just `async run_async(**inputs)`, or is an async function.
    The options are those of BatchConfig; `timeout_s` None lets a call take as long as it likes. The strategy
    itself holds no state: each run has its own limits and counts, so that one strategy serves any number of runs,
    loops and threads.

    Raises: ConfigError for a wrong option.
    """

    def __init__(
        self,
        max_concurrent: int = 10,
        *,
        retry: RetryPolicy | None = None,
        timeout_s: float | None = None,
        max_reasks: int = 1,
        on_error: Literal["collect", "raise"] = "collect",
        window: int | None = None,
        on_event: EventSink | None = None,
    ) -> None:
        if on_event is not None and not callable(on_event):
            raise ConfigError(f"on_event must be a function of one event; given: {on_event!r}")
        # BatchConfig checks what it has in common with this; it has no word for a call without a time limit.
        limited: dict[str, Any] = {} if timeout_s is None else {"timeout_s": timeout_s}
        config = BatchConfig(
            api_key=None,
            base_url=None,
            max_concurrent=max_concurrent,
            retry=RetryPolicy() if retry is None else retry,
            max_reasks=max_reasks,
            on_error=on_error,
            window=window,
            **limited,
        )
        self.max_concurrent = config.max_concurrent
        self.retry = config.retry
        self.timeout_s = None if timeout_s is None else config.timeout_s
        self.max_reasks = config.max_reasks
        self.on_error = config.on_error
        self.window = config.window or max(_WINDOW_FACTOR * config.max_concurrent, _WINDOW_LEAST)
        self.on_event = on_event

    @classmethod
    def from_config(cls, config: BatchConfig, *, on_event: EventSink | None = None) -> Self:
        """The strategy that a BatchConfig describes."""
        return cls(
            config.max_concurrent,
            retry=config.retry,
            timeout_s=config.timeout_s,
            max_reasks=config.max_reasks,
            on_error=config.on_error,
            window=config.window,
            on_event=on_event,
        )

    def stream(
        self,
        agent: Any,
        items: Items,
        *,
        ordered: bool = True,
        batch: bool = True,
        on_event: EventSink | None = None,
    ) -> BatchRun:
        """Results as they come, in the order of the items or, with `ordered=False`, of their completion.

        Takes lists, generators and async generators of any length in constant memory: when the reader is slow,
        the workers wait. An input that raises ends the stream with its error, after the results of the items
        read before. When a fatal error stops the run, the input is read on, so that every item has its result:
        `not_attempted`; leave an endless input by `break`. `on_event` is told of this run only; `batch` is what
        the results say of themselves.
        """
        agent = as_agent(agent)
        pipeline = Pipeline(
            agent,
            max_concurrent=self.max_concurrent,
            retry=self.retry,
            timeout_s=self.timeout_s,
            max_reasks=self.max_reasks,
            on_error=self.on_error,
            sinks=tuple(sink for sink in (self.on_event, on_event) if sink is not None),
            batch=batch,
        )
        return BatchRun(Workers(pipeline, Source(items), session=agent, window=self.window, ordered=ordered))

    async def run_batch(self, agent: Any, items: Items, *, on_event: EventSink | None = None) -> BatchResult:
        """All results in order, and the summary."""
        async with self.stream(agent, items, on_event=on_event) as run:
            results = [result async for result in run]
        return BatchResult(results, run.summary)

    async def execute_batch(self, agent: Any, batch: Items) -> list[dict[str, Any]]:
        """One dict for each item, in order; `[]` for an empty batch.

        Raises: BatchError with `on_error="raise"`.
        """
        return (await self.run_batch(agent, batch)).results

    async def execute(self, agent: Any, inputs: Any, *, on_event: EventSink | None = None) -> dict[str, Any]:
        """One item, with the same retries and limits; its result says `batch: False`."""
        async with self.stream(agent, [inputs], batch=False, on_event=on_event) as run:
            [result] = [result async for result in run]
        return result
