"""export: the entries of a journal, all of them or those in a state."""

import json
from pathlib import Path

from tests.commands.conftest import Cli


def test_export_gives_every_entry_or_those_of_a_state(cli: Cli, journal: Path) -> None:
    lines = [json.loads(line) for line in cli("export", "run.db").stdout.splitlines()]
    assert [line["item"] for line in lines] == list(range(10))
    result = cli("export", "run.db", "--state", "done", "--output", "answers.jsonl")
    written = [json.loads(line) for line in Path("answers.jsonl").read_text(encoding="utf-8").splitlines()]
    assert written == [line for line in lines if line["state"] == "done"]
    assert result.stderr == f"wrote     {len(written)} lines to answers.jsonl\n"
