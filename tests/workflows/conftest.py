"""The workflows, run as commands in a temporary folder, and the files that they write."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kaizen_batch.commands.main import main as cli

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in a temporary folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(cli, list(arguments))


def rows_of(path: str) -> list[dict[str, str]]:
    """The rows of a CSV file that a workflow wrote."""
    with Path("kaizen_batch_output", path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
