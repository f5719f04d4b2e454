"""Settings: what a run is configured with, and what its journal records."""

import shlex
from pathlib import Path

import pytest

from kaizen_batch.journal import Journal
from tests.commands.conftest import Cli


@pytest.mark.usefixtures("tickets")
def test_options_from_the_environment_are_recorded_with_the_run(cli: Cli, folder: Path) -> None:
    (folder / "run.toml").write_text('output = "labels.csv"\nprompt = "File: {id}"\n', encoding="utf-8")
    env = {
        "KAIZEN_CONFIG": "run.toml",
        "KAIZEN_PROVIDER": "mock",
        "KAIZEN_FALLBACK": "a b",
        "KAIZEN_PRICE": "1 2",
        "KAIZEN_ADAPTIVE": "1",
    }
    result = cli("run", "tickets.csv", env=env)
    assert result.exit_code == 0, result.output
    [run] = Journal("labels.csv.journal.db").runs()
    words = shlex.split(run.description["config"]["labels"]["command"])
    assert words[:3] == ["kaizen-batch", "run", "tickets.csv"]
    assert (
        " ".join(words[3:]) == "--provider mock --fallback a --fallback b --adaptive --price 1.0 2.0 --config run.toml"
    )
    assert cli("retry-failed", "labels.csv.journal.db", "--yes").exit_code == 0
