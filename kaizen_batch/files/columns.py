"""The columns that a job adds: to failed rows what went wrong, to answered rows what the caller asks for."""

from collections.abc import Mapping, Sequence

from kaizen_batch.errors import ConfigError, did_you_mean
from kaizen_batch.results import Result
from kaizen_batch.results.texts.phrasing import phrased
from kaizen_batch.results.texts.terminal import one_line

ERROR_COLUMNS = ("row", "error_code", "error", "response")
"""What a failed row has besides its own columns; `row` is its number in the input, from 1."""

_OLD_ERROR_COLUMNS = ("error_code", "error")  # of files written before 0.2
_RESPONSE_MOST = 2_000  # characters of a model's answer, evidence enough

_FORMULA = "=+-@\t\r\n\x00\x0b\x0c\x1b"

_RESULT_COLUMNS: dict[str, tuple[str, ...]] = {
    "finish_reason": ("finish_reason",),
    "usage": ("input_tokens", "output_tokens", "reasoning_tokens"),
    "cost": ("cost_usd",),
    "attempts": ("attempts",),
    "reasoning": ("reasoning",),
    "model": ("model",),
}


def check_columns(names: Sequence[str]) -> None:
    """Raise ConfigError for a column that no result has."""
    for name in names:
        if name not in _RESULT_COLUMNS:
            hint = did_you_mean(name, _RESULT_COLUMNS)
            raise ConfigError(f"no result column {name!r}: {hint}allowed are {', '.join(_RESULT_COLUMNS)}")


def result_columns(names: Sequence[str]) -> tuple[str, ...]:
    """The columns that these names add."""
    return tuple(column for name in dict.fromkeys(names) for column in _RESULT_COLUMNS[name])


def result_cells(names: Sequence[str], result: Result) -> dict[str, object]:
    """The cells of these columns for one result."""
    usage = result.get("usage") or {}
    cells = {**usage, **result, "model": result.get("answered_by")}
    return {column: cells.get(column) for column in result_columns(names)}


def failure_cells(name: object, result: Result) -> dict[str, object]:
    """The cells of ERROR_COLUMNS for a failed result; `name` is how its row is called."""
    error, response = result["error"], result.get("response")
    assert error is not None, "only failed results come here"
    if response is not None and len(response) > _RESPONSE_MOST:
        response = one_line(response, _RESPONSE_MOST)
    return dict(zip(ERROR_COLUMNS, (name, error["code"], phrased(error["message"]), response), strict=True))


def error_columns_of(names: Sequence[str]) -> tuple[str, ...]:
    """The columns at the end of a file of failed rows that a job has added; empty if there are none."""
    for added in (ERROR_COLUMNS, _OLD_ERROR_COLUMNS):
        if tuple(names[-len(added) :]) == added:
            return added
    return ()


def safe_cells(cells: Mapping[str, object]) -> dict[str, object]:
    """Cells in which no text begins like a formula: a spreadsheet shows an apostrophe's text as it is.

    Source: OWASP, CSV injection. It changes the data for other programs: `-5 degrees` becomes `'-5 degrees`.
    """
    return {
        name: f"'{cell}" if isinstance(cell, str) and cell[:1] in _FORMULA and cell else cell
        for name, cell in cells.items()
    }
