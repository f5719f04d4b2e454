"""The README: its code runs, its numbers are those of the demo, its options are those of the code."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kaizen_batch import BatchConfig

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
TEXT = README.read_text(encoding="utf-8")


BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_a_python_block_runs_and_prints_what_it_says(block: str, tmp_path: Path) -> None:
    (tmp_path / "block.py").write_text(block, encoding="utf-8")
    command = [sys.executable, str(tmp_path / "block.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = re.findall(r"^ *#> (.*)$", block, re.MULTILINE)
    assert said, "a block that prints nothing shows nothing"
    assert done.stdout.splitlines() == said


def test_every_block_is_python_or_the_first_screen() -> None:
    assert set(re.findall(r"^```(\w+)$", TEXT, re.MULTILINE)) == {"python", "console"}
    assert TEXT.count("```console") == 1


def test_the_first_screen_is_the_demos_real_output() -> None:
    [shown] = re.findall(r"```console\n\$ make demo\n(.*?)```", TEXT, re.DOTALL)
    done = subprocess.run([sys.executable, "-m", "kaizen_batch", "demo"], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert _without_timings(shown) == _without_timings(done.stdout)
    assert "kaizen-batch demo" in (ROOT / "Makefile").read_text()


def _without_timings(text: str) -> list[list[str]]:
    # Seconds and rates differ from run to run and are the only numbers with a point or beside "items/s".
    text = re.sub(r"\d+\.\d+|\d+(?= items/s)", "#", text)
    return [["#" if re.fullmatch(r"\d{2,}|#x?", word) else word for word in line.split()] for line in text.splitlines()]


def test_every_option_stands_in_the_table() -> None:
    table = TEXT[TEXT.index("## Options") :]
    for name in BatchConfig.model_fields:
        assert f"`{name}`" in table, name


def test_make_is_all_it_takes() -> None:
    assert shutil.which("make")
    for target in ("demo", "test"):
        assert f"make {target}" in TEXT
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout
