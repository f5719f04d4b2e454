"""`--shard`: what it refuses, and that a committed shard makes no call."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kaizen_batch.simulator import Simulator
from tests.commands.conftest import Cli

RUN = ["run", "tickets.csv", "--prompt", "{text}", "--output", "out.csv"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--shard", "9/3"], "there is no shard 9 of 3"),
        (["--shard", "x"], "a shard is written 3/16"),
        (["--shard", "auto"], "found no scheduler"),
        (["--shards", "3"], "--shards belongs to --shard"),
        (["--run-folder", "x"], "--run-folder belongs to --shard"),
        (["--shard", "1/3", "--journal", "a.db"], "a shard keeps its journal in the run folder"),
        (["--shard", "1/16"], "--max-concurrent 10 cannot be divided among 16 shards"),
        (["--shard", "1/2", "--sample", "3"], "sample and shards exclude each other"),
    ],
)
def test_a_mistake_makes_no_call(wrong: Callable[..., str], more: list[str], message: str) -> None:
    environment = {"OPENAI_API_KEY": "x", "SLURM_ARRAY_TASK_ID": "", "JOB_COMPLETION_INDEX": ""}
    assert message in wrong(*RUN, *more, env={name: value or None for name, value in environment.items()})  # type: ignore[misc]


@pytest.mark.usefixtures("tickets")
def test_a_committed_shard_is_not_asked_again(cli: Cli, simulator: Simulator) -> None:
    assert cli(*RUN, "--shard", "2/2", "--run-folder", "here").exit_code == 0
    calls = simulator.ledger.calls
    again = cli(*RUN, "--shard", "2/2", "--run-folder", "here")
    assert again.exit_code == 0 and "shard 2 of 2 is committed in here" in again.stderr
    assert simulator.ledger.calls == calls == 10
    other = cli(*RUN, "--shard", "1/2", "--run-folder", "here", "--temperature", "0.7")
    assert other.exit_code == 1 and "is not that of the run folder's plan" in other.stderr


@pytest.mark.usefixtures("tickets", "simulator")
def test_the_scheduler_says_the_shard(cli: Cli) -> None:
    environment = {"JOB_COMPLETION_INDEX": "1"}
    assert cli(*RUN, "--shard", "auto", "--shards", "2", env=environment).exit_code == 0
    assert Path("out.csv.run/parts/0002.db").is_file()


@pytest.mark.usefixtures("tickets", "simulator")
def test_merged_shards_are_the_output_of_one_process(cli: Cli) -> None:
    for shard in ("1/2", "2/2"):
        assert cli(*RUN, "--shard", shard).exit_code == 0
    merged = cli("merge", "out.csv.run")
    assert merged.exit_code == 0, merged.output
    assert cli(*RUN[:-1], "one.csv").exit_code == 0
    assert Path("out.csv").read_bytes() == Path("one.csv").read_bytes()
