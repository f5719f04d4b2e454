"""`--version`, `completion`, and `status` that finds the journal of an output."""

from pathlib import Path

import pytest

from tests.commands.conftest import Cli


def test_the_version_is_one_line_and_more_for_bug_reports(cli: Cli) -> None:
    assert cli("--version").stdout.startswith("kaizen-batch, version ")
    text = cli("--version", "-v", env={"OPENAI_API_KEY": "sk-secret", "KAIZEN_MODEL": "x"}).stdout
    assert "python" in text and "kailash" in text and "OPENAI_API_KEY" in text and "KAIZEN_MODEL" in text
    assert "sk-secret" not in text


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_completion(cli: Cli, shell: str) -> None:
    result = cli("completion", shell)
    assert result.exit_code == 0 and "_KAIZEN_BATCH_COMPLETE" in result.stdout


@pytest.mark.usefixtures("folder")
def test_an_output_leads_to_its_journal(cli: Cli) -> None:
    Path("in.csv").write_text("text\na\n", encoding="utf-8")
    assert cli("run", "in.csv", "--prompt", "{text}", "--output", "out.csv", "--provider", "mock").exit_code == 0
    for name in ("out.csv", "out.csv.journal.db", "out.failed.csv", "out.partial.csv"):
        result = cli("status", name)
        assert result.exit_code == 0 and "1 row in " in result.stdout, name
    assert "there is no file 'other.csv'" in cli("status", "other.csv").stderr
