"""A progress bar in a terminal, drawn with rich."""

import logging
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from kaizen_batch.observers.progress.echo import without_control_echo
from kaizen_batch.observers.progress.figures import View
from kaizen_batch.results.texts.terminal import printable, wrapped

_REFRESH_PER_S = 4
_BAR_WIDEST = 80


class Bar:
    """Draws the newest view of each run, from rich's own thread: `show` only stores the view.

    A terminal that does not accept output, such as one stopped by Ctrl-S, delays the drawing and not the run. While
    a bar is drawn, what is printed or logged to the same terminal appears above it.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._views: dict[int, View] = {}
        self._live: Live | None = None
        self._lock = threading.Lock()
        self._echo = ExitStack()
        self._redirected: list[logging.StreamHandler[Any]] = []

    def show(self, run: int, view: View) -> None:
        """Store the view for the next drawing."""
        self._views[run] = view
        if self._live is None:
            with self._lock:
                self._start()

    def end(self, run: int, totals: Sequence[str]) -> None:
        """Print the totals, above the bars of other runs or in place of the last one."""
        with self._lock:
            self._views.pop(run, None)
            if self._live is not None and not self._views:
                self._live.stop()
                self._live = None
                self._echo.close()
                self._restore_log_handlers()
            for line in totals:
                for part in wrapped([printable(line)], self._console.width):
                    self._console.print(Text(part))

    def _start(self) -> None:
        if self._live is None:
            self._live = Live(
                console=self._console,
                get_renderable=self._drawing,
                refresh_per_second=_REFRESH_PER_S,
                transient=True,
                # What others print appears above the bar, unless it goes elsewhere: rich would send it there.
                redirect_stdout=sys.stdout.isatty(),
                redirect_stderr=self._console.file is sys.stderr,
            )
            self._live.start()
            self._redirect_log_handlers()
            self._echo = without_control_echo(self._console.file)

    def _redirect_log_handlers(self) -> None:
        """Handlers keep the stream they were made with; while rich draws, theirs must be the one that it watches."""
        drawn_on = self._console.file
        if not self._live or sys.stderr is drawn_on:
            return
        for handler in _stream_handlers():
            if handler.stream in (drawn_on, sys.__stderr__):
                handler.setStream(sys.stderr)
                self._redirected.append(handler)

    def _restore_log_handlers(self) -> None:
        for handler in self._redirected:
            handler.setStream(self._console.file)
        self._redirected.clear()

    def _drawing(self) -> RenderableType:
        return _Stack([_Drawn(view) for view in tuple(self._views.values())])


class _Stack:
    """One below the other."""

    def __init__(self, drawn: "Sequence[_Drawn]") -> None:
        self._drawn = drawn

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        yield from self._drawn


class _Drawn:
    """A view as wide as the terminal is now: the bar, and the parts wrapped below it."""

    def __init__(self, view: View) -> None:
        self._view = view

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        view = self._view
        if view.percent is None:
            yield from _lines([view.count, *view.parts], options.max_width - 1)
            return
        head = Table.grid(padding=(0, 1))
        share = f"{view.percent:3d}%"
        width = options.max_width - len(share) - len(view.count) - 2
        bar = ProgressBar(total=100, completed=view.percent, width=max(4, min(_BAR_WIDEST, width)))
        head.add_row(share, bar, view.count)
        yield head
        # One column stays free: what is typed there would start a new line that nobody erases.
        yield from _lines(view.parts, options.max_width - 1)


def _lines(parts: Sequence[str], width: int) -> list[Text]:
    return [Text(line, no_wrap=True) for line in wrapped(map(printable, parts), width)]


def _stream_handlers() -> Iterator["logging.StreamHandler[Any]"]:
    loggers = [logging.getLogger(), *logging.root.manager.loggerDict.values()]
    for logger in loggers:
        if isinstance(logger, logging.Logger):
            yield from (handler for handler in logger.handlers if type(handler) is logging.StreamHandler)
