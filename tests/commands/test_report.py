"""report: one HTML file from a journal."""

from pathlib import Path

import pytest

from tests.commands.conftest import RUN, Cli


@pytest.mark.usefixtures("journal")
def test_report_writes_one_file(cli: Cli) -> None:
    result = cli("report", "run.db")
    assert result.exit_code == 0, result.output
    assert Path("run.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert cli("report", "run.db", "--output", "other.html").stderr.endswith("other.html\n")


def test_the_page_of_an_output_is_named_after_it(cli: Cli, folder: Path) -> None:
    (folder / "tickets.csv").write_text("id,text\n1,a\n", encoding="utf-8")
    assert cli(*RUN, "--provider", "mock").exit_code == 0
    assert cli("report", "labels.csv").stderr.endswith("labels.report.html\n")
    assert (folder / "labels.report.html").is_file()
