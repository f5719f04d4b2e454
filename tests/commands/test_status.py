"""status: states, money and the last run, as text and as JSON."""

import json
import re
from pathlib import Path

from kaizen_batch.journal import Journal
from tests.commands.conftest import Cli


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


def test_a_file_that_is_no_journal_is_one_line(cli: Cli, folder: Path) -> None:
    (folder / "rows.csv").write_text("a,b\n1,2\n" * 100, encoding="utf-8")
    result = cli("status", "rows.csv")
    assert result.exit_code == 1
    assert "is damaged, or no journal at all" in result.stderr and result.stderr.count("\n") == 1
