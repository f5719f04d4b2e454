"""A batch result for people: its summary in sentences and the first few rows, never all of them."""

from collections.abc import Sequence
from html import escape
from itertools import islice
from shutil import get_terminal_size

from kaizen_batch.results.texts.numbers import count
from kaizen_batch.results.texts.summary import Figures, Line, sentences
from kaizen_batch.results.texts.terminal import laid_out, one_line

_ROWS, _COLUMNS = 5, 6
_CELL = 80  # characters


def as_text(figures: Figures, results: Sequence[Figures], outputs: Sequence[str]) -> str:
    """The view in a terminal or a plain cell."""
    width = max(40, get_terminal_size().columns - 1)
    lines = [part for line in sentences(figures) for part in laid_out(line.label, line.text, width)]
    rows = [f"[{each['index']}] {'; '.join(_cells(each, outputs).values())}" for each in islice(results, _ROWS)]
    return "\n".join([*lines, *rows, *_more(results)])


def as_html(figures: Figures, results: Sequence[Figures], outputs: Sequence[str]) -> str:
    """The view in a notebook; every text is escaped."""
    said = "".join(_html_line(line) for line in sentences(figures))
    names = ["index", "status", *outputs[:_COLUMNS]]
    head = "".join(f"<th>{escape(one_line(name, _CELL))}</th>" for name in names)
    rows = "".join(_html_row(result, outputs) for result in islice(results, _ROWS))
    more = "".join(f"<p>{escape(line)}</p>" for line in _more(results))
    return f"<div>{said}<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{more}</div>"


def _html_line(line: Line) -> str:
    label = f"<b>{escape(line.label)}</b> " if line.label else ""
    return f"<p>{label}{escape(line.text)}</p>"


def _html_row(result: Figures, outputs: Sequence[str]) -> str:
    cells = [str(result["index"]), str(result["status"]), *_cells(result, outputs).values()]
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"


def _cells(result: Figures, outputs: Sequence[str]) -> dict[str, str]:
    """The outputs of one result, or its error in their place."""
    error = result["error"]
    if error is not None:
        return {"error": one_line(f"error: {error['code']}: {error['message']}", _CELL)}
    return {name: one_line(str(result.get(name)), _CELL) for name in outputs[:_COLUMNS]}


def _more(results: Sequence[object]) -> list[str]:
    rest = len(results) - _ROWS
    return [f"... and {count(rest)} more in .results"] if rest > 0 else []
