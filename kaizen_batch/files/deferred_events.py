"""The events of a job that wait until its output is in place."""

from types import TracebackType
from typing import Self

from kaizen_batch.agents.base import Watcher
from kaizen_batch.events import BatchFinished, BatchProgress, Event, EventSink, Sinks
from kaizen_batch.metrics import RunMetrics


class DeferredEvents:
    """Holds back the events that say all is done until the output is in place; after an error, only the end is sent."""

    def __init__(self, sink: EventSink | None) -> None:
        self._emit = Sinks() if sink is None else Sinks(sink)
        self.complete: bool = False
        self._progress: BatchProgress | None = None
        self._finished: BatchFinished | None = None

    def watching(self, watcher: Watcher | None) -> Watcher:
        """The watcher of an agent whose sinks get their events from here."""

        def watch(metrics: RunMetrics) -> tuple[EventSink, ...]:
            if watcher is not None:
                self._emit = Sinks(self._emit, *watcher(metrics))
            return (self,)

        return watch

    @property
    def wants_calls(self) -> bool:
        """Whether a sink wants each call."""
        return self._emit.wants_calls

    @property
    def wants_items(self) -> bool:
        """Whether a sink wants each item."""
        return self._emit.wants_items

    @property
    def wants_failures(self) -> bool:
        """Whether a sink wants each failed item."""
        return self._emit.wants_failures

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for event in (self._progress if self.complete else None, self._finished):
            if event is not None:
                self._emit(event)

    def __call__(self, event: Event) -> None:
        if isinstance(event, BatchFinished):
            self._finished = event
        elif isinstance(event, BatchProgress) and event.done == event.total:
            self._progress = event
        else:
            self._emit(event)
