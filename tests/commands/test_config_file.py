"""--config: options from a TOML file, and clear errors for its mistakes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kaizen_batch.journal import Journal
from kaizen_batch.simulator import Simulator
from tests.commands.conftest import RUN, Cli


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('modell = "x"', "has an unknown key 'modell': did you mean 'model'?"),
        ('api_key = "sk-secret"', "must not hold a key ('api_key'): set OPENAI_API_KEY instead"),
        ("model = x", "is not valid TOML: Invalid value (at line 1, column 9)"),
        ('[run]\nmodel = "x"', "has an unknown key 'run'"),
        ('[model]\nname = "x"', "has a table [model]: options belong at the top level"),
    ],
)
def test_a_mistake_in_the_config_file(wrong: Callable[..., str], folder: Path, text: str, message: str) -> None:
    (folder / "run.toml").write_text(text, encoding="utf-8")
    line = wrong(*RUN, "--config", "run.toml")
    assert message in line and "sk-secret" not in line


@pytest.mark.usefixtures("tickets")
def test_flags_win_over_the_environment_and_that_over_the_file(cli: Cli, folder: Path, simulator: Simulator) -> None:
    (folder / "run.toml").write_text(
        'input = "tickets.csv"\noutput = "labels.csv"\nprompt = "File: {id}"\n'
        'model = "file"\nmax-tokens = 11\nmax_concurrent = 2\nfallback = ["other"]\ncanary = 3\n',
        encoding="utf-8",
    )
    env = {"KAIZEN_MODEL": "environment", "KAIZEN_MAX_TOKENS": "12"}
    result = cli("run", "--config", "run.toml", "--max-tokens", "13", env=env)
    assert result.exit_code == 0, result.output
    body = simulator.bodies[0]
    assert (body["model"], body["max_tokens"]) == ("environment", 13)
    assert body["messages"][-1]["content"].startswith("File: ")
    [run] = Journal("labels.csv.journal.db").runs()
    assert run.description["config"]["max_concurrent"] == 2
    assert run.description["config"]["fallbacks"] == ["other"]
    assert run.description["config"]["labels"]["command"] == (
        f"kaizen-batch run --config run.toml --max-tokens 13 --model environment --base-url {simulator.base_url}"
    )
