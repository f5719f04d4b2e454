"""Settings: what a run is configured with, and what its journal records."""

import json
import shlex
from pathlib import Path

import pytest

from kaizen_batch.journal import Journal
from kaizen_batch.simulator import Simulator
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


def test_a_repeated_base_url_shares_the_rows(cli: Cli, folder: Path) -> None:
    (folder / "in.csv").write_text("text\n" + "".join(f"row {n}\n" for n in range(40)))
    with Simulator(latency_s=0.01) as one, Simulator(latency_s=0.01) as other:
        second = json.dumps({"url": other.base_url, "weight": 2})
        words = ["run", "in.csv", "--prompt", "{text}", "--output", "out.csv", "--base-url", one.base_url]
        missing = cli(*words, "--base-url", second)
        assert missing.exit_code == 1 and f"--endpoint-name {one.base_url}" in missing.stderr
        done = cli(*words, "--base-url", second, "--endpoint-name", one.base_url)
        assert done.exit_code == 0, done.stderr
        assert one.ledger.calls and other.ledger.calls and one.ledger.calls + other.ledger.calls == 40
        (folder / "run.toml").write_text(
            f'base_url = [{{url = "{other.base_url}"}}, "{one.base_url}"]\nendpoint-name = "{one.base_url}"\n'
        )
        again = cli(*words[:6], "--config", "run.toml")
        assert again.exit_code == 0 and one.ledger.calls + other.ledger.calls == 40
        (folder / "run.toml").write_text(f'base_url = "{one.base_url}"\n')
        assert cli(*words[:6], "--config", "run.toml").exit_code == 0
        assert one.ledger.calls + other.ledger.calls == 40


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ('{"url": 1}', "must list URLs, or dicts that have a 'url'"),
        ('{"url": "http://a/v1", "wait": 1}', "unknown option 'wait': did you mean 'weight'?"),
        ("{", "--base-url is not valid JSON"),
        ('{"url": "127.0.0.1:8000"}', "has no scheme: write http://127.0.0.1:8000/v1"),
    ],
)
def test_a_wrong_endpoint_makes_no_call(cli: Cli, folder: Path, given: str, message: str) -> None:
    (folder / "in.csv").write_text("text\nrow\n")
    words = ["run", "in.csv", "--prompt", "{text}", "--output", "out.csv", "--base-url", "http://127.0.0.1:9/v1"]
    found = cli(*words, "--base-url", given, "--endpoint-name", "x")
    assert found.exit_code == 1 and message in found.stderr
