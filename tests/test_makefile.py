"""The Makefile: an environment for each interpreter, and every supported interpreter is found."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


def _made(*arguments: str) -> str:
    """What make would run."""
    command = ["make", "--dry-run", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_the_default_interpreter_uses_dot_venv() -> None:
    assert ".venv/bin/pytest --numprocesses 2\n" in _made("test")


def test_another_interpreter_has_an_environment_of_its_own() -> None:
    planned = _made("test", f"PYTHON={sys.executable}")
    assert f".venv-{VERSION}/bin/pytest --numprocesses 2\n" in planned
    assert not [line for line in planned.splitlines() if line.startswith(".venv/")]


def test_the_supported_interpreters_are_found() -> None:
    command = ["bash", ".ci/interpreters"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    versions = [
        subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        for python in found
    ]
    assert versions == sorted(set(versions))
    assert VERSION in versions
