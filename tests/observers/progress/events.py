"""Virtual events of a run, and a stream that is a terminal, for the displays."""

import io
from typing import Any

from kaizen_batch import BatchFinished, BatchProgress, BatchStarted, BatchSummary


def progress(done: int, elapsed_s: float, *, total: int | None = 1000, **figures: Any) -> BatchProgress:
    figures = {"failed": 0, "in_flight": 10, "limit": 10, **figures}
    return BatchProgress(done=done, total=total, elapsed_s=elapsed_s, **figures)


def started(total: int | None = 1000) -> BatchStarted:
    return BatchStarted(total, 10)


def finished(**figures: Any) -> BatchFinished:
    figures = {"total": 1000, "ok": 988, "failed": 12, "failures": {"length": 4, "refusal": 8}, **figures}
    return BatchFinished(BatchSummary(**{"elapsed_s": 12.5, "calls": 1004, **figures}))


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True
