"""The README's first screen. Its code, links and guarantees are checked with those of docs/."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
TEXT = README.read_text(encoding="utf-8")


def test_the_first_screen_shows_the_real_output_of_the_demo() -> None:
    [shown] = re.findall(r"```bash\nmake demo\n```\n```text\n(.*?)```", TEXT, re.DOTALL)
    done = subprocess.run([sys.executable, "-m", "kaizen_batch", "demo"], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert _without_timings(shown) == _without_timings(done.stdout)
    assert "kaizen-batch demo" in (ROOT / "Makefile").read_text()


def _without_timings(text: str) -> list[list[str]]:
    # Seconds and rates vary; they are the only numbers with a decimal point or next to "items/s".
    text = re.sub(r"\d+\.\d+|\d+(?= items/s)", "#", text)
    return [["#" if re.fullmatch(r"\d{2,}|#x?", word) else word for word in line.split()] for line in text.splitlines()]


def test_the_make_targets_exist() -> None:
    assert shutil.which("make")
    for target in ("demo", "test"):
        assert f"make {target}" in TEXT
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout


def test_it_stays_short_and_begins_with_the_command_and_the_guarantees() -> None:
    assert len(TEXT.splitlines()) <= 250
    first_screen = TEXT.splitlines()[:45]
    assert "make demo" in first_screen
    assert "## Guarantees" in first_screen


def test_the_extras_of_the_readme_are_those_of_the_package() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"].keys()
    [sentence] = re.findall(r"^The extras are (.*?)\.$", TEXT, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"`([a-z]+)`", sentence)) - {"watch"} == extras - {"bench", "dev", "docs"}
