"""Handing events to whoever listens, without any of them harming the run."""

import logging
from collections.abc import Iterable

from kaizen_batch.events import Event, EventSink

logger: logging.Logger = logging.getLogger(__name__)


class Sinks:
    """The sinks of one run; false when there are none, so that an event need not even be made."""

    def __init__(self, sinks: Iterable[EventSink] = ()) -> None:
        self._sinks = list(sinks)

    def __bool__(self) -> bool:
        return bool(self._sinks)

    def emit(self, event: Event) -> None:
        """Hand an event to every sink; one that raises is dropped."""
        for sink in tuple(self._sinks):
            try:
                sink(event)
            except Exception:
                self._sinks.remove(sink)
                logger.exception("an event sink raised and is dropped from this run")
