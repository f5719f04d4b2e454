"""Where progress is shown: the interface, and lines of text, which go anywhere."""

from collections.abc import Sequence
from typing import Protocol, TextIO

from kaizen_batch.observers.progress.figures import View
from kaizen_batch.results.texts.terminal import one_line

_LINE_INTERVAL_S = 10.0


class Display(Protocol):
    """Shows runs, several at once if need be; the number `run` identifies each. It must return at once."""

    def show(self, run: int, view: View) -> None:
        """Show how far a run is."""

    def end(self, run: int, totals: Sequence[str]) -> None:
        """Show how a run has ended; with no totals only remove it."""


class Lines:
    """A plain line every 10 seconds and the totals at the end: for log files and pipes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown_s: dict[int, float] = {}

    def show(self, run: int, view: View) -> None:
        """Write a line if the last one is 10 seconds old."""
        if view.elapsed_s >= self._shown_s.get(run, 0.0) + _LINE_INTERVAL_S:
            self._shown_s[run] = view.elapsed_s
            share = [] if view.percent is None else [f"{view.percent}%"]
            self._write("; ".join([" ".join([*share, view.count]), *view.parts]))

    def end(self, run: int, totals: Sequence[str]) -> None:
        """Write the totals, a line each."""
        self._shown_s.pop(run, None)
        for line in totals:
            self._write(line)

    def _write(self, text: str) -> None:
        self._stream.write(one_line(text) + "\n")
        self._stream.flush()


class Nothing:
    """Shows nothing."""

    def show(self, run: int, view: View) -> None:
        """Nothing."""

    def end(self, run: int, totals: Sequence[str]) -> None:
        """Nothing."""
