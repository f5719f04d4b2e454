"""Rows that no run has asked, as `export --format openai-batch` finds them from the last run's command."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import BatchConfig, BatchProcessorAgent, Journal, ParallelBatchStrategy
from kaizen_batch.agents import create_agent
from kaizen_batch.simulator import Simulator
from kaizen_batch.simulator.settings import error_reply
from tests.commands.conftest import Cli

ROWS = 30
RUN = ["run", "in.csv", "--prompt", "Say {text}", "--output", "out.csv", "--max-concurrent", "1", "--progress", "none"]
EXPORT = ["export", "out.csv", "--format", "openai-batch"]


@pytest.fixture
def source(folder: Path) -> Path:
    path = folder / "in.csv"
    path.write_text("text\n" + "".join(f"row {number}\n" for number in range(ROWS)) + "row 3\n")
    return path


def prompts_of(text: str) -> list[str]:
    lines: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
    assert len({line["custom_id"] for line in lines}) == len(lines)
    return [line["body"]["messages"][-1]["content"] for line in lines]


def stopped_run(cli: Cli, simulator: Simulator, *more: str) -> list[str]:
    """A run that fails its first row and spends its budget before the last; the prompts that have no answer."""
    simulator.reply_with(error_reply(400, "invalid_value", "the request is wrong"))
    done = cli(*RUN, "--price", "1", "1", "--budget", "0.00035", "--max-tokens", "100", *more)
    assert done.exit_code == 4, done.output
    answered = {entry.item for entry in Journal("out.csv.journal.db").entries(("done",))}
    assert 1 < len(answered) < ROWS - 2
    return [f"Say row {number}" for number in range(ROWS) if number not in answered]


def test_rows_that_were_never_asked_are_exported_and_what_is_exported_completes_the_job(
    cli: Cli, source: Path, simulator: Simulator
) -> None:
    missing = stopped_run(cli, simulator)
    done = cli(*EXPORT, "--output", "missing.jsonl")
    assert done.exit_code == 0, done.output
    assert prompts_of(Path("missing.jsonl").read_text()) == missing
    assert f"wrote     {len(missing)} requests to missing.jsonl" in done.stderr
    assert f"input     {len(missing) - 1} rows of in.csv that no run has asked" in done.stderr
    assert prompts_of(cli(*EXPORT).stdout) == missing
    again = cli(*RUN)
    assert again.exit_code == 0, again.output
    assert prompts_of(cli(*EXPORT).stdout) == []


def test_keys_are_those_of_the_run_whatever_the_environment_says_now(
    cli: Cli, source: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = stopped_run(cli, simulator)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    assert prompts_of(cli(*EXPORT).stdout) == missing
    ids = {json.loads(line)["custom_id"] for line in cli(*EXPORT).stdout.splitlines()}
    monkeypatch.setenv("OPENAI_BASE_URL", simulator.base_url)
    assert cli(*RUN).exit_code == 0
    assert ids < {entry.key.hex() for entry in Journal("out.csv.journal.db")}


def test_states_are_those_of_the_journal_alone(cli: Cli, source: Path, simulator: Simulator) -> None:
    stopped_run(cli, simulator)
    done = cli(*EXPORT, "--state", "failed")
    assert prompts_of(done.stdout) == ["Say row 0"]
    assert "input" not in done.stderr and "note" not in done.stderr


def test_a_batch_input_file_is_read_for_its_rows(cli: Cli, folder: Path, simulator: Simulator) -> None:
    lines = [
        {"custom_id": f"r{n}", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "m", "messages": m}}
        for n, m in enumerate([[{"role": "user", "content": f"prompt {n}"}] for n in range(6)])
    ]
    (folder / "in.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    words = ["run", "in.jsonl", "--input-format", "openai-batch", "--output", "out.csv", "--progress", "none"]
    assert cli(*words, "--limit", "2").exit_code == 0
    assert prompts_of(cli(*EXPORT).stdout) == [], "the last run was about two rows"
    simulator.reply_with(*[error_reply(429, "insufficient_quota")] * 10)
    assert cli(*words, "--limit", "6").exit_code == 4
    assert prompts_of(cli(*EXPORT).stdout) == [f"prompt {n}" for n in range(2, 6)]


def unknown(cli: Cli) -> str:
    done = cli(*EXPORT)
    assert done.exit_code == 0, done.output
    [note] = [line for line in done.stderr.splitlines() if line.startswith("note ")]
    assert note.startswith("note      rows that were never asked may be missing: ")
    return note


def test_where_the_input_is_not_known_the_message_says_why(
    cli: Cli, source: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped_run(cli, simulator)
    moved = source.rename("gone.csv")
    assert "in.csv" in unknown(cli)
    moved.rename(source)
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    os.link("../out.csv.journal.db", "out.csv.journal.db")
    assert "the last run was in the folder" in unknown(cli)


def test_a_run_of_a_program_left_no_command(cli: Cli, folder: Path) -> None:
    BatchProcessorAgent(llm_provider="mock", journal="out.csv.journal.db").map(["a", "b"])
    assert "no run was started by `kaizen-batch run`, and a journal does not hold the input" in unknown(cli)


def test_standard_input_cannot_be_read_again(cli: Cli, folder: Path) -> None:
    words = ["run", "-", "--prompt", "{text}", "--provider", "mock", "--output", "out.csv"]
    assert cli(*words, input='{"text": "a"}\n').exit_code == 0
    assert "the last run read standard input, which cannot be read again" in unknown(cli)


def test_a_module_that_the_command_names_is_not_imported(cli: Cli, source: Path, simulator: Simulator) -> None:
    stopped_run(cli, simulator)
    labels = {"command": "kaizen-batch run in.csv --prompt {text} --output out.csv --provider evil:Provider"}
    config = BatchConfig(llm_provider="mock", journal=Path("out.csv.journal.db"), labels=labels)
    asyncio.run(ParallelBatchStrategy.from_config(config).run_batch(create_agent(config), ["a"]))
    assert "a provider of its own, evil:Provider, which is not imported" in unknown(cli)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("in.csv --no-such-option", "the command of the last run cannot be read"),
        ("in.csv --prompt-file gone.txt", "gone.txt"),
        ("s3://bucket/in.csv --prompt {text}", "in an object store, which is not asked"),
    ],
)
def test_a_command_that_does_not_work_any_more_is_a_note(
    cli: Cli, source: Path, simulator: Simulator, more: str, said: str
) -> None:
    stopped_run(cli, simulator)
    labels = {"command": f"kaizen-batch run --output out.csv {more}"}
    config = BatchConfig(llm_provider="mock", journal=Path("out.csv.journal.db"), labels=labels)
    asyncio.run(ParallelBatchStrategy.from_config(config).run_batch(create_agent(config), ["a"]))
    assert said in unknown(cli)
