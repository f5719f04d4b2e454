"""`--help`: quick, the same in docs/commands.md, and with the exit codes.

`python -m tests.commands.test_help` writes the help texts into docs/commands.md anew.
"""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from kaizen_batch.commands.exit_codes import Exit
from kaizen_batch.commands.main import main
from tests.commands.screens import Terminal

PAGE = Path(__file__).resolve().parents[2] / "docs" / "commands.md"
BLOCK = re.compile(r"```bash\n(kaizen-batch [\w -]*--help)\n```\n(?:```text\n(.*?)```)?", re.DOTALL)
NAMES = main.list_commands(click.Context(main))


def help_of(command: str) -> str:
    arguments = command.split()[1:]
    done = CliRunner(env={"COLUMNS": "100"}).invoke(main, arguments, prog_name="kaizen-batch", terminal_width=100)
    assert done.exit_code == 0, done.output
    return done.output


def renewed(text: str) -> str:
    """The page with the help texts of today."""
    return BLOCK.sub(lambda found: f"```bash\n{found[1]}\n```\n```text\n{help_of(found[1])}```", text)


def test_the_page_has_the_help_of_every_command_word_for_word() -> None:
    text = PAGE.read_text(encoding="utf-8")
    shown = {command for command, _ in BLOCK.findall(text)}
    assert shown == {"kaizen-batch --help", *(f"kaizen-batch {name} --help" for name in NAMES)}
    assert renewed(text) == text, "run: python -m tests.commands.test_help"


def test_help_is_quick_because_it_imports_nothing_heavy() -> None:
    heavy = ("kailash", "openai", "aiohttp", "rich", "pyarrow", "genai_prices", "opentelemetry")
    code = (
        "import sys; from kaizen_batch.commands.main import main; main(['--help'], standalone_mode=False);"
        f" print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")


def test_the_exit_codes_are_in_the_help() -> None:
    for command in ("kaizen-batch --help", "kaizen-batch run --help"):
        text = help_of(command)
        for code in Exit:
            assert re.search(rf"^ +{code.value} +\w", text, re.MULTILINE)


@pytest.mark.parametrize("name", ["run", "estimate", "doctor", "status", "watch", "report", "export", "retry-failed"])
def test_every_help_has_an_example(name: str) -> None:
    assert f"kaizen-batch {name} " in help_of(f"kaizen-batch {name} --help").partition("Example")[2]


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def test_a_narrow_help_is_broken_between_words_and_its_examples_can_be_pasted() -> None:
    run = CliRunner(env={"COLUMNS": "60"}).invoke(main, ["run", "--help"], prog_name="kaizen-batch", terminal_width=60)
    lines = run.output.splitlines()
    assert max(len(line) for line in lines if "[" not in line) <= 66
    example = lines.index("    kaizen-batch run tickets.csv --prompt \\")
    assert lines[example + 1] == '      "Classify: {text}" --output labels.csv --dry-run'
    assert "  4    ended early: budget, quota, deadline, rejected key," in lines


def test_a_narrow_terminal_gets_errors_broken_between_words(tmp_path: Path) -> None:
    words = ("run", "nothere.csv", "--prompt", "{text}", "--output", "labels.csv", "--provider", "mock")
    screen = Terminal(words, tmp_path, "http://127.0.0.1:9/v1", 30).end()
    assert screen[0] == "Error: there is no file" and screen[1].startswith("'nothere.csv':"), screen
