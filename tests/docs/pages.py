"""README.md, CONTRIBUTING.md and the pages of docs/: their code blocks, and how to run those in Python."""

import os
import re
import runpy
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = (README, ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md")))

_BLOCK = re.compile(r"(?:<!-- (?P<why>not run: [^>]+) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """A code block of a page; `why_not_run` is the reason that a comment right above it gives, or None."""

    page: Path
    line: int
    language: str
    text: str
    why_not_run: str | None

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"

    @property
    def output(self) -> list[str]:
        """The lines that a Python block claims to print: those after `#>`."""
        return re.findall(r"^ *#> ?(.*)$", self.text, re.MULTILINE)


def blocks(*languages: str) -> list[Block]:
    """All blocks in these languages; all blocks if none is named."""
    found = [block for page in PAGES for block in _blocks_of(page)]
    return [block for block in found if not languages or block.language in languages]


def _blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, match.start()) + 1, match["language"], match["text"], match["why"])
        for match in _BLOCK.finditer(text)
    ]


def run(script: Path) -> None:
    """Run a script in its folder and write its output to `stdout` and `stderr` there; for a separate process."""
    os.chdir(script.parent)
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), number)
    sys.argv = [str(script)]
    runpy.run_path(str(script), run_name="__main__")
