"""`run` over HTTP: rows in, answers beside them, the failed ones apart, and on again where it ended."""

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from kaizen_batch.simulator import Simulator
from kaizen_batch.simulator.settings import error_reply
from tests.commands.conftest import RUN, Cli
from tests.commands.tables import ROWS, read_csv

SCHEMA = {
    "type": "object",
    "properties": {"team": {"enum": ["billing", "tech"]}, "sure": {"type": "number", "minimum": 0, "maximum": 1}},
}


def summary_of(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.mark.usefixtures("tickets")
def test_rows_keep_their_columns_and_gain_the_answer(cli: Cli, simulator: Simulator) -> None:
    result = cli(*RUN)
    assert result.exit_code == 0, result.output
    assert read_csv("labels.csv") == [{**row, "result": f"mock answer to: Classify: {row['text']}"} for row in ROWS]
    assert simulator.ledger.calls == 20
    assert result.stdout == ""
    assert re.match(r"20 rows in .*: 20 done\n", result.stderr)
    assert result.stderr.endswith("wrote     20 rows to labels.csv\n")


@pytest.mark.usefixtures("tickets")
def test_a_schema_makes_typed_columns(cli: Cli, folder: Path, simulator: Simulator) -> None:
    (folder / "labels.json").write_text(json.dumps(SCHEMA), encoding="utf-8")
    result = cli(*RUN[:-1], "labels.jsonl", "--schema", "labels.json")
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in Path("labels.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["id"] for row in rows] == [row["id"] for row in ROWS]
    assert {row["team"] for row in rows} <= {"billing", "tech"}
    assert all(0 <= row["sure"] <= 1 for row in rows)


@pytest.mark.usefixtures("tickets")
def test_failed_rows_go_apart_with_the_reason_and_can_be_fed_in_again(cli: Cli, simulator: Simulator) -> None:
    simulator.reply_with(*[error_reply(400, "content_policy", "not this one")] * 2)
    result = cli(*RUN, "--max-concurrent", "1")
    assert result.exit_code == 3, result.output
    assert "2 to labels.failed.csv, each with its error" in result.stderr
    failed = read_csv("labels.failed.csv")
    assert [row["id"] for row in failed] == ["0", "1"]
    assert all(row["error_code"] == "content_policy" and "not this one" in row["error"] for row in failed)
    assert len(read_csv("labels.csv")) == 18
    again = cli("run", "labels.failed.csv", "--prompt", "Classify: {text}", "--output", "rest.csv")
    assert again.exit_code == 0, again.output
    assert [row["id"] for row in read_csv("rest.csv")] == ["0", "1"]


@pytest.mark.usefixtures("tickets")
def test_the_same_command_again_asks_only_what_is_missing(cli: Cli, simulator: Simulator) -> None:
    simulator.reply_with(error_reply(400, "bad_request"))
    assert cli(*RUN).exit_code == 3
    asked = simulator.ledger.calls
    result = cli(*RUN, "--json")
    assert result.exit_code == 0, result.output
    assert simulator.ledger.calls == asked + 1
    assert summary_of(result)["summary"]["from_journal"] == 19
    assert len(read_csv("labels.csv")) == 20
    assert Path("labels.csv.journal.db").exists()


@pytest.mark.usefixtures("tickets")
def test_without_a_journal_everything_is_asked_again(cli: Cli, simulator: Simulator) -> None:
    for more in ((), ("--overwrite",)):
        assert cli(*RUN, "--no-journal", *more).exit_code == 0
    assert simulator.ledger.calls == 40
    assert not Path("labels.csv.journal.db").exists()


@pytest.mark.usefixtures("tickets", "simulator")
def test_json_is_one_object_on_standard_output(cli: Cli) -> None:
    result = cli(*RUN, "--json", "--limit", "5")
    found = summary_of(result)
    assert (found["rows_read"], found["rows_written"], found["rows_failed"], found["exit_code"]) == (5, 5, 0, 0)
    assert found["output"] == "labels.csv" and found["summary"]["ok"] == 5


@pytest.mark.usefixtures("tickets")
def test_a_budget_ends_the_run_early_and_a_larger_one_goes_on(cli: Cli, simulator: Simulator) -> None:
    limited = (*RUN, "--price", "1", "1", "--max-tokens", "50", "--max-concurrent", "2")
    stopped = cli(*limited, "--budget", "0.0003")
    assert stopped.exit_code == 4, stopped.output
    assert "stopped   the budget does not cover the next call: $" in stopped.stderr
    asked = simulator.ledger.calls
    assert 0 < asked < 20
    assert "next      to process only the missing rows, raise the budget:" in stopped.stderr
    assert cli("retry-failed", "labels.csv.journal.db", "--budget", "1").exit_code == 0
    assert simulator.ledger.calls == 20


@pytest.mark.usefixtures("tickets")
def test_an_exhausted_account_and_a_refused_key_stop_the_run(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    with Simulator(quota_after=3) as simulator:
        result = cli(*RUN, "--base-url", simulator.base_url, "--max-concurrent", "1")
    assert result.exit_code == 4, result.output
    assert "stopped   the account has no credit left" in result.stderr and "only the missing rows" in result.stderr
    with Simulator(api_key="sk-right") as simulator:
        result = cli(*RUN, "--base-url", simulator.base_url, env={"OPENAI_API_KEY": "sk-wrong"})
    assert result.exit_code == 4
    assert "the endpoint rejected the API key" in result.stderr and "sk-wrong" not in result.output


@pytest.mark.usefixtures("tickets")
def test_the_first_failure_ends_a_run_that_wants_it(cli: Cli, simulator: Simulator) -> None:
    simulator.reply_with(error_reply(400, "bad_request", "not this one"))
    result = cli(*RUN, "--on-error", "raise", "--max-concurrent", "1")
    assert result.exit_code == 3, result.output
    assert "Error: row 1 failed: HTTP 400: not this one\n" in result.stderr
    assert not Path("labels.csv").exists()


@pytest.mark.usefixtures("tickets")
def test_a_fallback_answers_what_the_first_model_cannot(cli: Cli, simulator: Simulator) -> None:
    simulator.reply_with(error_reply(400, "bad_request"))
    result = cli(*RUN, "--fallback", "gpt-3.5-turbo", "--json")
    assert result.exit_code == 0, result.output
    assert summary_of(result)["summary"]["by_fallbacks"] == 1


@pytest.mark.usefixtures("tickets")
def test_a_journal_that_lost_a_part_is_refused_until_the_loss_is_accepted(
    cli: Cli, folder: Path, simulator: Simulator
) -> None:
    assert cli(*RUN).exit_code == 0
    journal = folder / "labels.csv.journal.db"
    with closing(sqlite3.connect(journal)) as connection:  # as a killed run leaves the .db, and its -wal is gone
        connection.execute("""INSERT INTO meta VALUES ('open', '{"token": "x", "inode": 1}')""")
        connection.commit()
    refused = cli(*RUN)
    assert refused.exit_code != 0 and "--accept-loss" in refused.stderr
    assert simulator.ledger.calls == 20
    accepted = cli(*RUN, "--accept-loss")
    assert accepted.exit_code == 0, accepted.output
    assert simulator.ledger.calls == 20
    assert cli(*RUN).exit_code == 0
