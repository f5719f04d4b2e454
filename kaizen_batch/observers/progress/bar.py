"""A bar in a terminal, over rich."""

import sys
import threading
from collections.abc import Iterator, Sequence

from rich.console import Console, ConsoleOptions, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from kaizen_batch.observers.progress.figures import View

_REFRESH_PER_S = 4
_BAR_WIDEST = 80
_GAP = "  "


class Bar:
    """Draws the newest view of each run, from a thread of rich's own: whoever shows one only leaves it here.

    A terminal that does not take its output, such as one stopped by Ctrl-S, so holds up the drawing and not the run.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._views: dict[int, View] = {}
        self._live: Live | None = None
        self._lock = threading.Lock()

    def show(self, run: int, view: View) -> None:
        """Leave the view for the next drawing."""
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
            for line in _folded(totals, self._console.width):
                self._console.print(line)

    def _start(self) -> None:
        if self._live is None:
            self._live = Live(
                console=self._console,
                get_renderable=self._drawing,
                refresh_per_second=_REFRESH_PER_S,
                transient=True,
                # What others print appears above the bar, unless it is not for the terminal: rich would send it there.
                redirect_stdout=sys.stdout.isatty(),
                redirect_stderr=self._console.file is sys.stderr,
            )
            self._live.start()

    def _drawing(self) -> RenderableType:
        return _Stack([_Drawn(view) for view in tuple(self._views.values())])


class _Stack:
    """One below the other."""

    def __init__(self, drawn: "Sequence[_Drawn]") -> None:
        self._drawn = drawn

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        yield from self._drawn


class _Drawn:
    """A view, as wide as the terminal is now: the bar, and the parts folded into lines below it."""

    def __init__(self, view: View) -> None:
        self._view = view

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        view = self._view
        if view.percent is None:
            yield from _folded([view.count, *view.parts], options.max_width)
            return
        head = Table.grid(padding=(0, 1))
        share = f"{view.percent:3d}%"
        width = options.max_width - len(share) - len(view.count) - 2
        bar = ProgressBar(total=100, completed=view.percent, width=max(4, min(_BAR_WIDEST, width)))
        head.add_row(share, bar, view.count)
        yield head
        yield from _folded(view.parts, options.max_width)


def _folded(parts: Sequence[str], width: int) -> list[Text]:
    """As many parts to a line as fit; a part that alone is too long is cut."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + len(_GAP) + len(part) <= width:
            lines[-1] += _GAP + part
        else:
            lines.append(part)
    return [Text(line, no_wrap=True, overflow="ellipsis") for line in lines]
