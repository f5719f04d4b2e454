"""What a run tells while it goes on: frozen records, handed to sinks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kaizen_batch.results import BatchSummary, ItemError, ItemResult


@dataclass(frozen=True, slots=True)
class BatchStarted:
    """A run begins; `total` is None when the input does not say how long it is."""

    total: int | None
    max_concurrent: int


@dataclass(frozen=True, slots=True)
class ItemFinished:
    """One item has its result, in the order of completion."""

    result: ItemResult


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
    what holds the next call back, such as "the token window, 12 s", and is None if nothing does.
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

    @property
    def items_per_s(self) -> float:
        """Items finished for each second so far."""
        return self.done / self.elapsed_s if self.elapsed_s else 0.0


@dataclass(frozen=True, slots=True)
class BatchFinished:
    """The run is over: completed, stopped or cancelled."""

    summary: BatchSummary


Event = BatchStarted | ItemFinished | RetryScheduled | Throttled | BatchProgress | BatchFinished

EventSink = Callable[[Event], None]
"""Any function of one event. It is called on the event loop, so it must be quick; one that raises is dropped
from the run, with one log line, and the run goes on."""
