"""`status`, `export`, `report`, `watch`, `retry-failed`: what a journal knows, and what it can do."""

from tests.commands.conftest import Cli


def test_a_journal_that_is_not_there_is_one_line(cli: Cli) -> None:
    for command in ("status", "export", "retry-failed"):
        result = cli(command, "none.db")
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: there is no ")
        assert result.stderr.count("\n") == 1
