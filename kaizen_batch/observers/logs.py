"""What a run tells, as structured records of the standard `logging`."""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

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
from kaizen_batch.results import BatchSummary, ItemError

_Line = tuple[int, str, dict[str, Any]]
"""The level, the text and the fields of a record."""


def logging_sink(logger: logging.Logger | str = "kaizen_batch.run") -> EventSink:
    """A sink that logs what happens in a run.

    >>> agent = BatchProcessorAgent(on_event=logging_sink("my_app.batches"))

    The fields stand in the record (`extra`): `event` and those of the event. INFO: a run's begin and end; WARNING:
    throttles and failed items; ERROR: a run that ended early; DEBUG: calls and retries. Neither a prompt nor an
    answer is logged above DEBUG; an error's message, which may quote either, only at DEBUG.
    """
    return partial(log_event, logging.getLogger(logger) if isinstance(logger, str) else logger)


def log_event(logger: logging.Logger, event: Event, *, node: str | None = None) -> None:
    """Write the lines for one event; `node` says whose run it is."""
    for level, text, fields in _lines(event, debug=logger.isEnabledFor(logging.DEBUG)):
        if logger.isEnabledFor(level):
            shown = " ".join(f"{name}={value}" for name, value in fields.items())
            extra = {"node": node, "event": type(event).__name__, **fields}
            logger.log(level, "%s%s %s", f"{node}: " if node else "", text, shown, extra=extra)


def _lines(event: Event, *, debug: bool) -> Sequence[_Line]:
    # The frequent ones first: they are looked at for every item of a run.
    if isinstance(event, ItemFinished):
        return _item_lines(event.result.index, event.result.error) if event.result.error is not None else ()
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


def _item_lines(index: int, error: ItemError) -> Sequence[_Line]:
    # After a run was stopped every remaining item says so: one line for the run is enough.
    level = logging.DEBUG if error.code == "not_attempted" else logging.WARNING
    fields = {"index": index, "code": error.code, "retryable": error.retryable}
    because = {**fields, "error_message": error.message}
    return [(level, "item failed", fields), (logging.DEBUG, "item failed because", because)]


def _call(event: CallFinished) -> dict[str, Any]:
    code = event.error.code if event.error else None
    return {
        "index": event.index,
        "attempt": event.attempt,
        "model": event.model,
        "latency_s": event.latency_s,
        "code": code,
    }


def _finished(summary: BatchSummary) -> _Line:
    # The class of the error only: its message is the endpoint's, and may quote anything.
    stopped = summary.stopped.partition(":")[0] if summary.stopped else None
    fields = {
        "ok": summary.ok,
        "failed": summary.failed,
        "calls": summary.calls,
        "not_attempted": summary.not_attempted,
        "stopped": stopped,
    }
    return logging.ERROR if stopped else logging.INFO, "batch finished", fields
