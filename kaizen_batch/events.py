"""What a run tells while it goes on: frozen records, handed to sinks."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kaizen_batch.prices import Usage
from kaizen_batch.results import BatchSummary, ItemError, ItemResult

logger: logging.Logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BatchStarted:
    """A run begins; `total` is None when the input does not say how long it is."""

    total: int | None
    max_concurrent: int


@dataclass(frozen=True, slots=True)
class ItemFinished:
    """One item has its result, in the order of completion; `row` is what the `id` column of a job calls it."""

    result: ItemResult
    row: str | None = None


@dataclass(frozen=True, slots=True)
class CallFinished:
    """One call for an item is over, with an answer or with an error; `attempt` counts from 1.

    `model` and `endpoint` say who was asked; `model` is None for a plain function. `started_at` is on the loop's
    clock, `latency_s` in seconds. `cost_usd` is None if it is unknown. `request` and `answer`, the agent's request
    and the model's text, may hold anything private: they are in no repr.
    """

    index: int
    attempt: int
    model: str | None
    endpoint: str | None
    started_at: float
    latency_s: float
    error: ItemError | None = None
    usage: Usage | None = None
    finish_reason: str | None = None
    response_model: str | None = None
    cost_usd: float | None = None
    request: Any = field(default=None, repr=False)
    answer: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class RetryScheduled:
    """A call for an item failed and will be made again after `wait_s` seconds; `attempt` counts from 1."""

    index: int
    attempt: int
    wait_s: float
    error: ItemError


@dataclass(frozen=True, slots=True)
class Throttled:
    """The endpoint asked for less: the whole run waits `wait_s` seconds."""

    wait_s: float
    error: ItemError


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """A sample of a run's progress, one each half second, and one at the end.

    `done` counts finished items, `failed` those of them that failed or were not attempted, by code in `failures`;
    `from_journal` counts those that needed no call. `in_flight` of at most `limit` calls are under way; `calls` were
    sent, and `throttles` refused for being too fast. `cost_usd` is None where the price is unknown. `waiting_for` says
    what holds the next call back, such as "the token window, 12 s", and is None if nothing does. `oldest_call_s` is the
    age of the call that has been in flight longest, in seconds, `oldest_item` the index of its item, and `oldest_row`
    the name of its row, where rows of a file have names.
    """

    done: int
    failed: int
    total: int | None
    in_flight: int
    elapsed_s: float
    limit: int = 0
    calls: int = 0
    throttles: int = 0
    from_journal: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None
    failures: Mapping[str, int] = field(default_factory=dict)
    waiting_for: str | None = None
    oldest_call_s: float | None = None
    oldest_item: int | None = None
    oldest_row: str | None = None

    @property
    def items_per_s(self) -> float:
        """Items finished for each second so far."""
        return self.done / self.elapsed_s if self.elapsed_s else 0.0


@dataclass(frozen=True, slots=True)
class BatchesWaiting:
    """Batches of a provider were looked at: `open` of them, of so many `rows`, have `done` this many.

    The counts are the provider's, which may lag behind; `states` counts batches by state.
    """

    open: int
    rows: int
    done: int
    states: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BatchFinished:
    """The run is over: completed, stopped or cancelled."""

    summary: BatchSummary


Event = (
    BatchStarted
    | ItemFinished
    | CallFinished
    | RetryScheduled
    | Throttled
    | BatchProgress
    | BatchesWaiting
    | BatchFinished
)

EventSink = Callable[[Event], None]
"""Any function of one event. It is called on the event loop, so it must be quick; one that raises is dropped
from the run, with one log line, and the run goes on. One that has `wants_calls = False` does without CallFinished,
one with `wants_items = False` without ItemFinished, unless `wants_failures = True` asks for those of failed items; an
event that no sink of a run wants is not even made."""


class SinkOfRuns(ABC):
    """A sink that keeps something for each run: a run begins one of its own by `for_run`, so that runs may overlap.

    Behind a function of the user's, which only hands events on, it serves one run after another.
    """

    wants_calls = wants_items = True
    _current: EventSink | None = None

    @abstractmethod
    def for_run(self) -> EventSink:
        """The sink of one run."""

    def __call__(self, event: Event) -> None:
        if isinstance(event, BatchStarted):
            self._current = self.for_run()
        if self._current is not None:
            self._current(event)


def for_run(sink: EventSink) -> EventSink:
    """What a run tells its events: the sink itself, or the one that it keeps for each run."""
    return sink.for_run() if isinstance(sink, SinkOfRuns) else sink


class Sinks:
    """Several sinks as one, which wants what any of them wants; one that raises is dropped, with one log line.

    False when there are none, so that an event need not even be made.
    """

    def __init__(self, *sinks: EventSink) -> None:
        self._sinks = list(sinks)
        self.wants_calls: bool = any(map(wants_calls, sinks))
        self.wants_items: bool = any(map(wants_items, sinks))
        self.wants_failures: bool = any(map(wants_failures, sinks))

    def __bool__(self) -> bool:
        return bool(self._sinks)

    def __call__(self, event: Event) -> None:
        for sink in tuple(self._sinks):
            try:
                sink(event)
            except Exception:
                self._sinks.remove(sink)
                logger.exception("an event sink raised and is dropped from this run")


def wants_calls(sink: EventSink) -> bool:
    """Whether a sink is to be told of each call."""
    return bool(getattr(sink, "wants_calls", True))


def wants_items(sink: EventSink) -> bool:
    """Whether a sink is to be told of each item."""
    return bool(getattr(sink, "wants_items", True))


def wants_failures(sink: EventSink) -> bool:
    """Whether a sink is to be told of each failed item."""
    return wants_items(sink) or bool(getattr(sink, "wants_failures", False))
