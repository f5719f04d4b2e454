"""The events of a job that wait until its output is in place."""

import logging
from types import TracebackType
from typing import Self

from kaizen_batch.events import BatchFinished, BatchProgress, Event, EventSink, Sinks, wants_calls, wants_items

logger: logging.Logger = logging.getLogger(__name__)


class DeferredEvents:
    """Holds back the events that say all is done until the output is in place; after an error, only the end is sent."""

    def __init__(self, sink: EventSink | None) -> None:
        self._emit = Sinks() if sink is None else sink
        self.wants_calls: bool = wants_calls(self._emit)
        self.wants_items: bool = wants_items(self._emit)
        self.complete: bool = False
        self._progress: BatchProgress | None = None
        self._finished: BatchFinished | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for event in (self._progress if self.complete else None, self._finished):
            if event is not None:
                try:
                    self._emit(event)
                except Exception:
                    logger.exception("an event sink raised at the end of a job")
                    return

    def __call__(self, event: Event) -> None:
        if isinstance(event, BatchFinished):
            self._finished = event
        elif isinstance(event, BatchProgress) and event.done == event.total:
            self._progress = event
        else:
            self._emit(event)
