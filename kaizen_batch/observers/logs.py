"""The events of a run as structured records of the standard `logging`."""

import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from kaizen_batch.errors import StoppedError
from kaizen_batch.events import (
    BatchFinished,
    BatchStarted,
    CallFinished,
    Event,
    EventSink,
    ItemFinished,
    RetryScheduled,
    Throttled,
)
from kaizen_batch.results import NOT_ATTEMPTED, BatchSummary, ItemError
from kaizen_batch.results.texts.terminal import one_line

_Line = tuple[int, str, dict[str, Any]]
"""The level, the text and the fields of a record."""

_QUIET_S = 60.0
_throttles_logged: dict[str, float] = {}


def logging_sink(logger: logging.Logger | str = "kaizen_batch.run") -> EventSink:
    """A sink that logs what happens in a run.

    >>> agent = BatchProcessorAgent(on_event=logging_sink("my_app.batches"))

    Each record has the fields of the event (`extra`), and its name as `event`. INFO: start and end of a run; WARNING:
    throttling (once a minute, the rest at DEBUG) and failed items; ERROR: a run that ended early; DEBUG: calls and
    retries. No prompt and no answer is ever logged; an error's message, which may quote either, only at DEBUG.
    """
    return partial(log_event, logging.getLogger(logger) if isinstance(logger, str) else logger)


def log_event(logger: logging.Logger, event: Event, *, node: str | None = None) -> None:
    """Write the records of one event; `node` is the id of the node whose run it is."""
    for level, text, fields in _lines(event, debug=logger.isEnabledFor(logging.DEBUG)):
        if isinstance(event, Throttled) and not _first_in_a_while(f"{logger.name} {node}"):
            level = logging.DEBUG
        if logger.isEnabledFor(level):
            shown = " ".join(f"{name}={one_line(str(value))}" for name, value in fields.items())
            extra = {"node": node, "event": type(event).__name__, **fields}
            logger.log(level, "%s%s %s", f"{node}: " if node else "", text, shown, extra=extra)


def _first_in_a_while(name: str) -> bool:
    """Whether this name has not been asked for in the last minute: a throttled run would repeat one line for hours."""
    now = time.monotonic()
    if now < _throttles_logged.get(name, -_QUIET_S) + _QUIET_S:
        return False
    _throttles_logged[name] = now
    return True


def _lines(event: Event, *, debug: bool) -> Sequence[_Line]:
    # The frequent ones first: every item of a run passes here.
    if isinstance(event, ItemFinished):
        return _item_lines(event, event.result.error) if event.result.error is not None else ()
    if isinstance(event, CallFinished):
        return [(logging.DEBUG, "call finished", _call(event))] if debug else ()
    if isinstance(event, RetryScheduled):
        fields = {"index": event.index, "attempt": event.attempt, "wait_s": event.wait_s}
        return [(logging.DEBUG, "retry scheduled", {**fields, "error_message": event.error.message})]
    if isinstance(event, Throttled):
        return [(logging.WARNING, "throttled", {"wait_s": event.wait_s, "code": event.error.code})]
    if isinstance(event, BatchStarted):
        return [(logging.INFO, "batch started", {"total": event.total, "max_concurrent": event.max_concurrent})]
    return [_finished(event.summary)] if isinstance(event, BatchFinished) else ()


def _item_lines(event: ItemFinished, error: ItemError) -> Sequence[_Line]:
    # After a run was stopped every remaining item is not attempted: the one record of the run is enough.
    level = logging.DEBUG if error.code in NOT_ATTEMPTED else logging.WARNING
    name = {} if event.row is None else {"row": event.row}
    fields: dict[str, object] = {"index": event.result.index, **name, "code": error.code, "retryable": error.retryable}
    because = {**fields, "error_message": error.message}
    return [(level, "item failed", fields), (logging.DEBUG, "item failed because", because)]


def _call(event: CallFinished) -> dict[str, object]:
    code = event.error.code if event.error else None
    return {
        "index": event.index,
        "attempt": event.attempt,
        "model": event.model,
        "latency_s": event.latency_s,
        "code": code,
    }


def _finished(summary: BatchSummary) -> _Line:
    # Only the class of the error: its message comes from the endpoint and may quote anything.
    stopped = summary.stopped.partition(":")[0] if summary.stopped else None
    fields = {
        "ok": summary.ok,
        "failed": summary.failed,
        "calls": summary.calls,
        "not_attempted": summary.not_attempted,
        "stopped": stopped,
    }
    # Whoever interrupts a run knows it.
    return logging.ERROR if stopped not in (None, StoppedError.__name__) else logging.INFO, "batch finished", fields
