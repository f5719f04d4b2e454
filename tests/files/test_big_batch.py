"""The script of the big batch job, with few rows."""

import pytest

from tests.files.big_batch import main


def test_every_row_is_right_and_billed_once_within_the_memory(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(600, 200.0) == 0
    assert "600 of 600 rows right, 600 billed" in capsys.readouterr().out
