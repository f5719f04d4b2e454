"""A progress bar in a notebook, with IPython's own display: no widgets are needed."""

from collections.abc import Sequence
from html import escape
from typing import Any

from kaizen_batch.errors import ConfigError
from kaizen_batch.observers.progress.figures import View


class Notebook:
    """One output per run, redrawn with each view."""

    def __init__(self) -> None:
        try:
            from IPython.display import HTML, display
        except ModuleNotFoundError:
            raise ConfigError(
                'progress_sink("notebook") needs IPython, which every notebook has; outside of one use "auto"'
            ) from None
        self._html: Any = HTML
        self._display: Any = display
        self._outputs: dict[int, Any] = {}

    def show(self, run: int, view: View) -> None:
        """Draw the view."""
        bar = f'<progress max="100" value="{view.percent}" style="width: 20em"></progress> {view.percent}% '
        head = (bar if view.percent is not None else "") + escape(view.count)
        self._draw(run, [head, *map(escape, view.parts)])

    def end(self, run: int, totals: Sequence[str]) -> None:
        """Draw the totals in its place, a line each."""
        self._draw(run, [escape(part) for part in totals], "<br>")
        del self._outputs[run]

    def _draw(self, run: int, parts: Sequence[str], between: str = " &middot; ") -> None:
        drawn = self._html(f"<div>{between.join(parts)}</div>")
        if run in self._outputs:
            self._outputs[run].update(drawn)
        else:
            self._outputs[run] = self._display(drawn, display_id=True)
