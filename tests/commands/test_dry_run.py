"""--dry-run: the prompts of the first rows, without a call."""

from pathlib import Path

import pytest

from tests.commands.conftest import RUN, Cli


@pytest.mark.usefixtures("tickets")
def test_a_dry_run_shows_three_questions_and_needs_neither_key_nor_endpoint(cli: Cli) -> None:
    result = cli(*RUN, "--dry-run", "--system", "Be brief.")
    assert result.exit_code == 0, result.output
    assert result.stdout.count("--- row") == 3
    assert "[system] Be brief.\n[user] Classify: ticket 0, in\ntwo lines\n" in result.stdout
    assert "no call was made" in result.stderr
    assert not Path("labels.csv").exists() and not Path("labels.csv.journal.db").exists()


def test_a_dry_run_says_which_row_cannot_be_asked(cli: Cli, folder: Path) -> None:
    (folder / "rows.jsonl").write_text('{"text": "a"}\n{"other": 1}\n', encoding="utf-8")
    result = cli("run", "rows.jsonl", "--prompt", "Classify: {text}", "--output", "x.csv", "--dry-run")
    assert "[user] Classify: a" in result.stdout
    assert "[not asked] the row has no column 'text', which the prompt template names" in result.stdout
