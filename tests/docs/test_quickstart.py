"""docs/quickstart.md and the README's first run: their commands, run in a temporary folder."""

import sys
from pathlib import Path

import pytest

from kaizen_batch.simulator import Simulator
from tests.docs.consoles import normalized, outputs_of, session_of
from tests.docs.pages import DOCS, README, blocks

INSTALLS = ("pip ", "venv")
"""Lines with these words create an environment; tests/checks/test_packaging.py does that."""

QUICKSTART = session_of(DOCS / "quickstart.md")
FIRST_RUN = [pair for pair in session_of(README) if "kaizen-batch run" in pair[0].text]


@pytest.fixture
def environment() -> dict[str, str]:
    """The commands of this environment, and a browser command that does nothing."""
    return {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "BROWSER": "true", "COLUMNS": "120"}


def test_the_quickstart_shows_what_its_commands_print(environment: dict[str, str], tmp_path: Path) -> None:
    shown = [pair for pair in QUICKSTART if not any(word in pair[0].text for word in INSTALLS)]
    output = outputs_of([block.text for block, _ in shown], tmp_path, **environment)
    assert [normalized(text) for text in output] == [normalized(text) for _, text in shown]
    assert "<!doctype html>" in (tmp_path / "report.html").read_text().lower()[:200]


def test_the_readme_shows_what_its_commands_print(environment: dict[str, str], tmp_path: Path) -> None:
    with Simulator() as simulator:
        given = {**environment, "OPENAI_BASE_URL": simulator.base_url}
        output = outputs_of([block.text for block, _ in FIRST_RUN], tmp_path, **given)
    assert [normalized(text) for text in output] == [normalized(text) for _, text in FIRST_RUN]


def test_every_other_block_of_commands_is_checked_elsewhere_or_says_why_not() -> None:
    checked = {str(block) for block, _ in (*QUICKSTART, *FIRST_RUN)}
    for block in blocks("bash"):
        by_help = block.text.startswith("kaizen-batch ") and "--help\n" in block.text  # tests/commands/test_help.py
        by_screens = block.page == DOCS / "screens.md"  # tests/commands/test_screens.py
        by_readme = block.text == "make demo\n"  # tests/docs/test_readme.py
        assert str(block) in checked or by_help or by_screens or by_readme or block.why_not_run, block


def test_commands_can_be_pasted_as_they_are() -> None:
    for block in blocks("bash"):
        assert not [line for line in block.text.splitlines() if line.startswith(("$ ", "> ", "# "))], block
    assert not blocks("console")
