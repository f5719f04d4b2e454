"""`status` and `export`: what a journal knows."""

import json
from pathlib import Path

from kaizen_batch.journal import Journal
from tests.commands.conftest import Cli


def test_status_says_states_money_and_the_last_run(cli: Cli, journal: Path) -> None:
    result = cli("status", "run.db")
    assert result.exit_code == 0, result.output
    count = Journal(journal).count()
    lines = result.stdout.splitlines()
    assert lines[0].split()[:2] == ["done", str(count["done"])]
    assert lines[1].split()[:2] == ["failed", str(count["failed"])]
    assert count["failed"] and sum(count.values()) == 10
    assert "0.00 USD spent" in result.stdout
    assert f"10 of 10 rows after 0.0 s: {count['failed']} failed, 0 from the journal" in result.stdout.replace(
        "0.1", "0.0"
    )
    assert "command   kaizen-batch run x.csv --output y.csv" in result.stdout


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
    assert result.stderr == f"wrote    {len(written)} lines to answers.jsonl\n"


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
