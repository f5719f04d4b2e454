"""docs/screens.md shows what terminals of 60 and 150 columns show: what happens, why, and what to do."""

import re

import pytest

from tests.commands.screens import PAGE, SCENES, WIDTHS, Scene, masked, play

# pexpect forks, beside the simulator's thread; the child becomes another program at once.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")


def documented(scene: Scene, columns: int, caption: str) -> list[str]:
    section = PAGE.read_text(encoding="utf-8").partition(f"## {scene.title}\n")[2].partition("\n## ")[0]
    [block] = re.findall(rf"^{columns} columns, {caption}:\n\n```text\n(.*?)\n```$", section, re.MULTILINE | re.DOTALL)
    return str(block).splitlines()


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.title)
def test_the_screens_are_those_of_the_page(scene: Scene, columns: int) -> None:
    for _, caption, lines in play(scene, columns):
        shown = documented(scene, columns, caption)
        assert max(map(len, [*lines, *shown])) <= columns
        assert masked(lines) == masked(shown), "run: python -m tests.commands.screens"


@pytest.mark.parametrize("scene", SCENES[1:], ids=lambda scene: scene.title)
def test_a_screen_says_what_happened_and_what_to_do(scene: Scene) -> None:
    section = PAGE.read_text(encoding="utf-8").partition(f"## {scene.title}\n")[2].partition("\n## ")[0]
    assert re.search(r"^\d+ rows in ", section, re.MULTILINE)
    assert re.search(r"^next      .*\n?.*:\n  kaizen-batch run ", section, re.MULTILINE)
