"""docs/quickstart.md, and the README's first screens: their very commands, in a folder of their own."""

import sys
from pathlib import Path

import pytest

from kaizen_batch.simulator import Simulator
from tests.docs.consoles import commands_of, normalized, outputs_of
from tests.docs.pages import DOCS, README, blocks

INSTALLS = ("pip ", "venv")
"""In lines that make a new environment; tests/test_packaging.py installs the wheel into one."""

QUICKSTART = [block for block in blocks("console") if block.page == DOCS / "quickstart.md"]
FIRST_RUN = [block for block in blocks("console") if block.page == README and "$ kaizen-batch run" in block.text]


@pytest.fixture
def environment() -> dict[str, str]:
    """This environment's commands, and a browser that opens nothing."""
    return {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "BROWSER": "true", "COLUMNS": "120"}


def test_the_quickstart_says_what_its_commands_say(environment: dict[str, str], tmp_path: Path) -> None:
    shown = [pair for block in QUICKSTART for pair in commands_of(block)]
    shown = [pair for pair in shown if not any(word in pair[0] for word in INSTALLS)]
    said = outputs_of([command for command, _ in shown], tmp_path, **environment)
    assert [normalized(text) for text in said] == [normalized(text) for _, text in shown]
    assert "<!doctype html>" in (tmp_path / "report.html").read_text().lower()[:200]


def test_the_readme_s_first_run_says_what_it_says(environment: dict[str, str], tmp_path: Path) -> None:
    [block] = FIRST_RUN
    shown = commands_of(block)
    with Simulator() as simulator:
        given = {**environment, "OPENAI_BASE_URL": simulator.base_url}
        said = outputs_of([command for command, _ in shown], tmp_path, **given)
    assert [normalized(text) for text in said] == [normalized(text) for _, text in shown]


def test_every_other_block_of_commands_is_checked_elsewhere_or_says_why_not() -> None:
    checked = {*map(str, QUICKSTART), *map(str, FIRST_RUN)}
    for block in blocks("console"):
        by_help = block.text.startswith("$ kaizen-batch ") and "--help\n" in block.text  # tests/commands/test_help.py
        by_readme = block.text.startswith("$ make demo\n")  # tests/test_readme.py
        assert str(block) in checked or by_help or by_readme or block.why_not_run, block
