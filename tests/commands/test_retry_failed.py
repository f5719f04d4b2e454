"""retry-failed: the last command again, or the reason why it cannot be repeated."""

import asyncio
from pathlib import Path

import pytest

from kaizen_batch import BatchConfig, ParallelBatchStrategy
from kaizen_batch.agents import create_agent
from kaizen_batch.commands.retry_failed import without_replaced
from kaizen_batch.simulator import Simulator
from kaizen_batch.simulator.settings import error_reply
from tests.commands.conftest import Cli
from tests.commands.tables import read_csv


def test_retry_failed_says_why_it_cannot(cli: Cli, journal: Path) -> None:
    result = cli("retry-failed", str(journal), "--yes")
    assert result.exit_code == 1
    assert result.stderr.endswith(
        f"kaizen-batch run x.csv --output y.csv --journal {journal}\nError: there is no file 'x.csv': check the path\n"
    )


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({}, "was started by this command, so there is none to repeat"),
        ({"command": "rm -rf /"}, "is not one of `kaizen-batch run`"),
        ({"command": "kaizen-batch run -", "input": "-"}, "read standard input, which cannot be read again"),
        ({"command": "kaizen-batch run x", "folder": "/no/such"}, "was in '/no/such', which does not exist any more"),
    ],
)
def test_a_command_that_cannot_be_repeated(cli: Cli, labels: dict[str, str], message: str) -> None:
    config = BatchConfig(llm_provider="mock", journal="run.db", labels=labels)
    asyncio.run(ParallelBatchStrategy.from_config(config).run_batch(create_agent(config), ["a"]))
    result = cli("retry-failed", "run.db", "--yes")
    assert result.exit_code == 1
    assert message in result.stderr and result.stderr.count("\n") == 1


@pytest.mark.usefixtures("tickets")
def test_retry_failed_repeats_the_last_command_wherever_it_is_given(
    cli: Cli, simulator: Simulator, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator.reply_with(error_reply(400, "bad_request"))
    given = {"KAIZEN_PROMPT": "Classify: {text}", "KAIZEN_LIMIT": "5"}
    first = cli("run", "tickets.csv", "--output", "labels.csv", "--journal", "run.db", env=given)
    assert first.exit_code == 3, first.output
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    result = cli("retry-failed", "../run.db", "--yes")
    assert result.exit_code == 0, result.output
    assert simulator.ledger.calls == 6
    assert [row["id"] for row in read_csv(str(folder / "labels.csv"))] == ["0", "1", "2", "3", "4"]


def test_options_that_can_be_repeated_are_replaced_and_not_added() -> None:
    stored = ["in.csv", "--base-url", "http://a/v1", "--base-url=http://b/v1", "--fallback", "x", "--output", "o.csv"]
    assert without_replaced(stored, ["--base-url", "http://c/v1"]) == ["in.csv", "--fallback", "x", "--output", "o.csv"]
    assert without_replaced(stored, ["--rpm", "5"]) == stored


@pytest.mark.usefixtures("tickets")
def test_the_echo_is_what_runs_and_the_command_does_not_grow(cli: Cli, simulator: Simulator) -> None:
    simulator.reply_with(error_reply(400, "bad_request"))
    assert cli("run", "tickets.csv", "--prompt", "{text}", "--output", "labels.csv").exit_code == 3
    again = cli("retry-failed", "labels.csv", "--deadline", "100")
    assert again.exit_code == 0, again.output
    echo = next(line for line in again.stderr.splitlines() if line.startswith("in "))
    assert echo.endswith(f"--output labels.csv --base-url {simulator.base_url} --deadline 100")
    repeated = cli("retry-failed", "labels.csv")
    assert next(line for line in repeated.stderr.splitlines() if line.startswith("in ")) == echo


@pytest.mark.usefixtures("tickets")
def test_an_endpoint_that_this_shell_does_not_name_is_the_reason_for_the_question(
    cli: Cli, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("run", "tickets.csv", "--prompt", "{text}", "--output", "labels.csv").exit_code == 0
    monkeypatch.delenv("OPENAI_BASE_URL")
    asked = cli("retry-failed", "labels.csv")
    assert asked.exit_code == 2
    assert f"OPENAI_BASE_URL is not set; the last run used {simulator.base_url}." in asked.stderr
    other = cli("retry-failed", "labels.csv", "--base-url", "http://127.0.0.1:9/v1", "--provider", "mock")
    assert "Your --provider is not the one of the last run, openai" not in other.stderr
