"""report: one HTML file from a journal."""

from pathlib import Path

import pytest

from tests.commands.conftest import Cli


@pytest.mark.usefixtures("journal")
def test_report_writes_one_file(cli: Cli) -> None:
    result = cli("report", "run.db")
    assert result.exit_code == 0, result.output
    assert Path("run.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert cli("report", "run.db", "--output", "other.html").stderr.endswith("other.html\n")
