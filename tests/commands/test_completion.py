"""The completion scripts: they name the program, and completing works through them."""

import os
import subprocess
import sys

import pytest

from tests.commands.conftest import Cli


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_a_script_is_for_its_shell_and_names_the_program(cli: Cli, shell: str) -> None:
    script = cli("completion", shell)
    assert script.exit_code == 0
    assert f"_KAIZEN_BATCH_COMPLETE={shell}_complete" in script.stdout
    assert "kaizen-batch" in script.stdout


def test_an_unknown_shell_is_a_usage_error(cli: Cli) -> None:
    assert cli("completion", "tcsh").exit_code == 2


def test_options_are_completed() -> None:
    code = "from kaizen_batch.commands.main import main; main(prog_name='kaizen-batch')"
    words = "kaizen-batch run tickets.csv --max-con"
    env = {**os.environ, "_KAIZEN_BATCH_COMPLETE": "zsh_complete", "COMP_WORDS": words, "COMP_CWORD": "3"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert "--max-concurrent" in done.stdout, done.stderr
