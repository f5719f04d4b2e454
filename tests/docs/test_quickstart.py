"""docs/quickstart.md and the README's first run: their commands, run in a temporary folder."""

import sys
from pathlib import Path

import pytest

from kaizen_batch.simulator import Simulator
from tests.docs.consoles import commands_of, normalized, outputs_of
from tests.docs.pages import DOCS, README, blocks

INSTALLS = ("pip ", "venv")
"""Lines with these words create an environment; tests/checks/test_packaging.py does that."""

QUICKSTART = [block for block in blocks("console") if block.page == DOCS / "quickstart.md"]
FIRST_RUN = [block for block in blocks("console") if block.page == README and "$ kaizen-batch run" in block.text]


@pytest.fixture
def environment() -> dict[str, str]:
    """The commands of this environment, and a browser command that does nothing."""
    return {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "BROWSER": "true", "COLUMNS": "120"}


def test_the_quickstart_shows_what_its_commands_print(environment: dict[str, str], tmp_path: Path) -> None:
    shown = [pair for block in QUICKSTART for pair in commands_of(block)]
    shown = [pair for pair in shown if not any(word in pair[0] for word in INSTALLS)]
    output = outputs_of([command for command, _ in shown], tmp_path, **environment)
    assert [normalized(text) for text in output] == [normalized(text) for _, text in shown]
    assert "<!doctype html>" in (tmp_path / "report.html").read_text().lower()[:200]


def test_the_readme_shows_what_its_commands_print(environment: dict[str, str], tmp_path: Path) -> None:
    [block] = FIRST_RUN
    shown = commands_of(block)
    with Simulator() as simulator:
        given = {**environment, "OPENAI_BASE_URL": simulator.base_url}
        output = outputs_of([command for command, _ in shown], tmp_path, **given)
    assert [normalized(text) for text in output] == [normalized(text) for _, text in shown]


def test_every_other_console_block_is_checked_elsewhere_or_says_why_not() -> None:
    checked = {*map(str, QUICKSTART), *map(str, FIRST_RUN)}
    for block in blocks("console"):
        by_help = block.text.startswith("$ kaizen-batch ") and "--help\n" in block.text  # tests/commands/test_help.py
        by_readme = block.text.startswith("$ make demo\n")  # tests/docs/test_readme.py
        assert str(block) in checked or by_help or by_readme or block.why_not_run, block
