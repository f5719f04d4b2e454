"""An output that no run on the journal has written is not replaced."""

from pathlib import Path

import pytest

from tests.commands.conftest import Cli

RUN = ("run", "in.csv", "--prompt", "{text}", "--output", "out.csv", "--provider", "mock")


@pytest.fixture
def rows(folder: Path) -> Path:
    (folder / "in.csv").write_text("text\na\n", encoding="utf-8")
    return folder


def test_a_file_of_the_users_stays(cli: Cli, rows: Path) -> None:
    (rows / "out.csv").write_text("mine", encoding="utf-8")
    result = cli(*RUN)
    assert result.exit_code == 1
    assert "'out.csv' exists, and no run in 'out.csv.journal.db' wrote it: give --overwrite" in result.stderr
    assert (rows / "out.csv").read_text() == "mine" and not (rows / "out.csv.journal.db").exists()
    assert cli(*RUN, "--overwrite").exit_code == 0


def test_what_a_run_wrote_is_replaced_by_the_next(cli: Cli, rows: Path) -> None:
    assert cli(*RUN).exit_code == 0
    assert cli(*RUN).exit_code == 0
    assert "there is no journal" in cli(*RUN, "--no-journal").stderr
    other = cli(*RUN, "--journal", "other.db")
    assert other.exit_code == 1 and "no run in 'other.db' wrote it" in other.stderr


def test_an_empty_file_and_a_stream_are_no_loss(cli: Cli, rows: Path) -> None:
    (rows / "out.csv").touch()
    assert cli(*RUN).exit_code == 0
    assert cli("run", "in.csv", "--prompt", "{text}", "--output", "-", "--provider", "mock").exit_code == 0
