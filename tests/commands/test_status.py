"""status: states, money and the last run, as text and as JSON."""

import json
import re
from pathlib import Path

from kaizen_batch.journal import Journal, StoredAnswer
from kaizen_batch.journal.records import BatchRow
from kaizen_batch.results import ItemError
from tests.commands.conftest import Cli


def test_status_says_states_money_and_the_last_run(cli: Cli, journal: Path) -> None:
    result = cli("status", "run.db")
    assert result.exit_code == 0, result.output
    count = Journal(journal).count()
    lines = result.stdout.splitlines()
    assert re.match(r"run       1: started .*, ended after ", lines[0])
    assert re.match(rf"10 items in .*: {count['done']} done, {count['failed']} failed", lines[1])
    assert count["failed"] and sum(count.values()) == 10
    assert f"requests  {count['done']} answered\n" in result.stdout
    assert f"          {count['failed']} failed; the next run sends them again\n" in result.stdout
    assert "all runs  cost $0; 10 calls" in result.stdout
    assert result.stdout.endswith("command   of the last run:\n  kaizen-batch run x.csv --output y.csv\n")


async def test_status_says_what_is_at_risk_and_what_has_no_price(cli: Cli, folder: Path) -> None:
    async with Journal("money.db").writing() as journal:
        for item in range(2):
            await journal.begin(bytes([item]) * 32, item=item, request="{}", at_risk_usd=0.25)
        await journal.submit(BatchRow(bytes([2]) * 32, 2, "{}", 0.25), 1)
        await journal.done(bytes([9]) * 32, StoredAnswer("unpriced"), spent_usd=None)
        result, as_json = cli("status", "money.db"), cli("status", "money.db", "--json")
    assert "at risk   3 calls under way, up to $0.75\n" in result.stdout, result.stdout
    assert "all runs  cost unknown; 4 calls; 1 answered call without a price\n" in result.stdout
    assert "$0 " not in result.stdout
    assert "          1 in a batch that the provider is working on\n" in result.stdout
    totals = json.loads(as_json.stdout)["totals"]
    assert (totals["under_way"], totals["at_risk_usd"], totals["unpriced"]) == (3, 0.75, 1)
    assert totals["cost_usd"] is None


async def test_calls_that_failed_without_an_answer_are_failures_and_no_kill(cli: Cli, folder: Path) -> None:
    torn = ItemError("NoAnswerError", "the connection broke", "connection", True)
    async with Journal("torn.db").writing() as journal:
        for item in range(3):
            await journal.begin(bytes([item]) * 32, item=item, request="{}")
        for item in range(2):
            journal.end_call(bytes([item]) * 32, torn, may_be_billed=True)
            await journal.failed(bytes([item]) * 32, torn)
    # The third is what a killed run leaves: opened again, it is in flight no more.
    async with Journal("torn.db").writing():
        pass
    said = cli("status", "torn.db").stdout
    assert "          2 failed; the next run sends them again\n" in said
    assert "          1 in flight when a run was killed; the next run sends them again\n" in said
    assert Journal("torn.db").totals().killed == 1
    assert "billing   3 calls got no answer but may have been billed\n" in said


def test_status_as_json_is_one_object(cli: Cli, journal: Path) -> None:
    found = json.loads(cli("status", "run.db", "--json").stdout)
    assert found["states"] == Journal(journal).count()
    assert found["totals"] == {**Journal(journal).totals().to_dict(), "cost_usd": 0.0}
    assert found["last_run"]["summary"]["total"] == found["last_run"]["progress"]["done"] == 10


def test_a_file_that_is_no_journal_is_one_line(cli: Cli, folder: Path) -> None:
    (folder / "rows.csv").write_text("a,b\n1,2\n" * 100, encoding="utf-8")
    result = cli("status", "rows.csv")
    assert result.exit_code == 1
    assert "is no journal" in result.stderr and result.stderr.count("\n") == 1


def test_a_file_that_is_not_there_and_an_input_are_told_apart(cli: Cli, folder: Path) -> None:
    assert cli("status", "labels.csv").stderr == (
        "Error: there is no file 'labels.csv', nor a journal labels.csv.journal.db beside it: name the output of a run,"
        " or its journal\n"
    )
    assert "there is no file 'run.db': name the output of a run, or its journal" in cli("status", "run.db").stderr
    (folder / "tickets.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    said = cli("status", "tickets.csv").stderr
    assert "'tickets.csv' is no journal" in said and "name the output of a run (not its input)" in said
