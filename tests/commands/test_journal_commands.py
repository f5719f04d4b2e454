"""`status`, `export`, `report`, `watch`, `retry-failed`: what a journal knows, and what it can do."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from kaizen_batch import BatchConfig, ParallelBatchStrategy
from kaizen_batch.agents import create_agent
from kaizen_batch.journal import Journal
from tests.commands.conftest import HEEDS_CTRL_C, Cli
from tests.trust.kill_processes import ROOT


def test_status_says_states_money_and_the_last_run(cli: Cli, journal: Path) -> None:
    result = cli("status", "run.db")
    assert result.exit_code == 0, result.output
    count = Journal(journal).count()
    lines = result.stdout.splitlines()
    assert re.match(r"run       1, started .*, ended after ", lines[0])
    assert re.match(rf"10 items in .*: {count['done']} done, {count['failed']} failed", lines[1])
    assert count["failed"] and sum(count.values()) == 10
    assert f"requests  {count['done']} answered\n" in result.stdout
    assert f"          {count['failed']} failed; the next run asks them again\n" in result.stdout
    assert "paid      $0 for 10 calls in all runs" in result.stdout
    assert result.stdout.endswith("command   of the last run:\n  kaizen-batch run x.csv --output y.csv\n")


def test_status_as_json_is_one_object(cli: Cli, journal: Path) -> None:
    found = json.loads(cli("status", "run.db", "--json").stdout)
    assert found["states"] == Journal(journal).count()
    assert found["totals"] == Journal(journal).totals().to_dict()
    assert found["last_run"]["summary"]["total"] == found["last_run"]["progress"]["done"] == 10


def test_export_gives_every_entry_or_those_of_a_state(cli: Cli, journal: Path) -> None:
    lines = [json.loads(line) for line in cli("export", "run.db").stdout.splitlines()]
    assert [line["item"] for line in lines] == list(range(10))
    result = cli("export", "run.db", "--state", "done", "--output", "answers.jsonl")
    written = [json.loads(line) for line in Path("answers.jsonl").read_text(encoding="utf-8").splitlines()]
    assert written == [line for line in lines if line["state"] == "done"]
    assert result.stderr == f"wrote     {len(written)} lines to answers.jsonl\n"


def test_a_journal_that_is_not_there_is_one_line(cli: Cli) -> None:
    for command in ("status", "export", "retry-failed"):
        result = cli(command, "none.db")
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: there is no journal at ")
        assert result.stderr.count("\n") == 1


def test_a_file_that_is_no_journal_is_one_line(cli: Cli, folder: Path) -> None:
    (folder / "rows.csv").write_text("a,b\n1,2\n" * 100, encoding="utf-8")
    result = cli("status", "rows.csv")
    assert result.exit_code == 1
    assert "is damaged, or no journal at all" in result.stderr and result.stderr.count("\n") == 1


@pytest.mark.usefixtures("journal")
def test_report_writes_one_file(cli: Cli) -> None:
    result = cli("report", "run.db")
    assert result.exit_code == 0, result.output
    assert Path("run.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert cli("report", "run.db", "--output", "other.html").stderr.endswith("other.html\n")


def test_watch_serves_until_ctrl_c(journal: Path) -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), "PYTHONUNBUFFERED": "1"}
    command = [*HEEDS_CTRL_C, "watch", str(journal)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[2]
            with urllib.request.urlopen(url) as page:
                assert page.status == 200
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
        finally:
            process.kill()


def test_retry_failed_says_why_it_cannot(cli: Cli, journal: Path) -> None:
    result = cli("retry-failed", str(journal))
    assert result.exit_code == 1
    assert result.stderr.endswith(
        "kaizen-batch run x.csv --output y.csv\nError: there is no file 'x.csv': check the path\n"
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
    result = cli("retry-failed", "run.db")
    assert result.exit_code == 1
    assert message in result.stderr and result.stderr.count("\n") == 1
