"""The sink between a run and its display: takes the samples and delays the end until the output is closed."""

import itertools
import os
import sys
from contextlib import suppress
from types import TracebackType
from typing import Any, Literal, Self, TextIO, get_args

from kaizen_batch.errors import ConfigError
from kaizen_batch.events import BatchFinished, BatchProgress, BatchStarted, Event, EventSink, SinkOfRuns
from kaizen_batch.observers.progress.display import Display, Lines, Nothing
from kaizen_batch.observers.progress.figures import ITEMS, Pace, Words, totals_of, view_of
from kaizen_batch.results import BatchSummary
from kaizen_batch.results.texts.summary import Ending
from kaizen_batch.results.texts.waits import Waits

Kind = Literal["auto", "bar", "lines", "notebook", "none"]

_DUMB = ("dumb", "unknown")


def progress_sink(kind: Kind = "auto", stream: TextIO | None = None) -> "ProgressSink":
    """A sink that shows the progress of a run: done, items/s, time left, calls in flight, tokens, cost, failures.

    >>> agent = BatchProcessorAgent(on_event=progress_sink())
    >>> with progress_sink() as progress:  # shows "writing ..." until the block is left and the file is closed
    ...     ...

    `"bar"` draws in a terminal (it respects NO_COLOR), `"lines"` writes a line every 10 s, `"notebook"` draws in a
    notebook, `"none"` shows nothing; `"auto"` chooses. Everything goes to `stream`, by default standard error. Errors
    of items are shown by their codes only.

    Raises: ConfigError for another kind, or for `"notebook"` without IPython.
    """
    if kind not in get_args(Kind):
        raise ConfigError(f"kind={kind!r}: give one of {', '.join(map(repr, get_args(Kind)))}")
    return ProgressSink(display_of(kind, stream))


class ProgressSink(SinkOfRuns):
    """What `progress_sink` returns: shows each run on its display, several at once if need be.

    In a `with` block a finished run shows "writing ..." until the block is left or `close` is called; without one its
    end is shown at once, and a run of a single item shows nothing. `words` say what an item is called; with
    `totals=False` the display only disappears at the end, for those who say the rest themselves.
    """

    wants_calls = wants_items = False

    def __init__(self, display: Display, *, words: Words = ITEMS, totals: bool = True) -> None:
        self.words = words
        self.totals = totals
        self._display = display
        self._numbers = itertools.count()
        self._open: dict[int, _Run] = {}
        self.held: bool = False

    def for_run(self) -> EventSink:
        """The sink of one run."""
        number = next(self._numbers)
        return _Run(number, self, self._display)

    def __enter__(self) -> Self:
        self.held = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_all(f"the output is not complete: {kind.__name__}" if kind else None)

    def close(self) -> None:
        """Show the end of every run, with its totals: the output is closed."""
        self._end_all(None)

    def began(self, number: int, run: "_Run") -> None:
        """A run has begun whose end is to be shown."""
        self._open[number] = run

    def ended(self, number: int) -> None:
        """A run has shown its end."""
        self._open.pop(number, None)

    def _end_all(self, problem: str | None) -> None:
        self.held = False
        for run in tuple(self._open.values()):
            run.end(problem)


class _Run:
    """One run on a display."""

    wants_calls = wants_items = False

    def __init__(self, number: int, sink: ProgressSink, display: Display) -> None:
        self._number = number
        self._sink = sink
        self._display = display
        self._pace = Pace()
        self._waits = Waits()
        self._last: BatchProgress | None = None
        self._summary: BatchSummary | None = None
        self._shown = True

    def __call__(self, event: Event) -> None:
        if isinstance(event, BatchProgress):
            self._last = event
            self._pace.add(event)
            self._waits.add(event.elapsed_s, event.waiting_for)
            self._show()
        elif isinstance(event, BatchStarted):
            self._shown = event.total != 1 or self._sink.held
            if self._shown:
                self._sink.began(self._number, self)
        elif isinstance(event, BatchFinished):
            self._summary = event.summary
            self._show() if self._sink.held else self.end(None)

    def end(self, problem: str | None) -> None:
        """Show the totals, as far as they are known."""
        if not self._shown:
            return
        # By now the run has its results; a display that is gone must not spoil them.
        with suppress(OSError, ValueError):
            self._display.end(self._number, self._totals(problem) if self._sink.totals else ())
        self._sink.ended(self._number)

    def _totals(self, problem: str | None) -> tuple[str, ...]:
        first = (problem,) if problem else ()
        if self._summary is None:
            return (*first, "the run was left before its end")
        ending = Ending(self._sink.words.noun, waits=self._waits.longest())
        return (*first, *totals_of(self._summary, ending))

    def _show(self) -> None:
        if self._last is not None and self._shown:
            view = view_of(self._last, self._pace, writing=self._summary is not None, words=self._sink.words)
            self._display.show(self._number, view)


def display_of(kind: Kind, stream: TextIO | None = None) -> Display:
    """The display of a kind; `"auto"` chooses by the stream."""
    if kind == "none":
        return Nothing()
    if kind == "notebook" or (kind == "auto" and stream is None and _in_notebook()):
        from kaizen_batch.observers.progress.notebook import Notebook

        return Notebook()
    stream = sys.stderr if stream is None else stream
    return _bar(stream) if kind == "bar" or (kind == "auto" and _draws(stream)) else Lines(stream)


def _draws(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM") not in _DUMB


def _bar(stream: TextIO) -> Display:
    # Imported on first use: rich takes longer to import than the rest of the package.
    from rich.console import Console

    from kaizen_batch.observers.progress.bar import Bar

    return Bar(Console(file=stream, force_terminal=True, force_jupyter=False, highlight=False))


def _in_notebook() -> bool:
    shell: Any = sys.modules.get("IPython")
    return shell is not None and type(shell.get_ipython()).__name__ == "ZMQInteractiveShell"
