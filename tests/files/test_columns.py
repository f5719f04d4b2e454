"""The columns that a job adds, and those that are taken off again."""

import pytest

from kaizen_batch import ConfigError
from kaizen_batch.files.columns import ERROR_COLUMNS, check_columns, error_columns_of, failure_cells, result_columns
from kaizen_batch.results import Result


def test_names_become_columns_once() -> None:
    assert result_columns(["usage", "cost", "usage"]) == (
        "input_tokens", "output_tokens", "reasoning_tokens", "cost_usd",
    )  # fmt: skip
    check_columns(["finish_reason", "model"])
    with pytest.raises(ConfigError, match="no result column 'costs': did you mean 'cost'"):
        check_columns(["costs"])


def test_the_columns_of_failed_rows_are_known_at_the_end_only() -> None:
    assert error_columns_of(("id", *ERROR_COLUMNS)) == ERROR_COLUMNS
    assert error_columns_of(("id", "error_code", "error")) == ("error_code", "error")
    assert error_columns_of((*ERROR_COLUMNS, "id")) == ()


def test_a_long_response_is_shortened() -> None:
    error = {"type": "OutputError", "code": "length", "message": "cut off", "retryable": False}
    cells = failure_cells("T-1", Result({"error": error, "response": "x" * 10_000}))
    assert list(cells) == list(ERROR_COLUMNS) and (cells["row"], cells["error_code"]) == ("T-1", "length")
    assert len(cells["response"]) <= 2_100
