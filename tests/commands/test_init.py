"""`init`: a run.toml that runs as it is."""

import json
import tomllib
from pathlib import Path

from tests.commands.conftest import Cli


def test_it_writes_a_run_that_works(cli: Cli, folder: Path) -> None:
    (folder / "tickets.csv").write_text('id,text\n1,"It ""breaks"" {here}\x1b"\n', encoding="utf-8")
    result = cli("init", "tickets.csv")
    assert result.exit_code == 0, result.output
    found = tomllib.loads((folder / "run.toml").read_text(encoding="utf-8"))
    assert (found["input"], found["id"]) == ("tickets.csv", "id") and "{text}" in found["prompt"]
    assert "#   text  It" in (folder / "run.toml").read_text(encoding="utf-8")
    assert cli("run", "--config", "run.toml", "--dry-run").exit_code == 0
    done = cli("run", "--config", "run.toml", "--provider", "mock")
    assert done.exit_code == 0, done.output
    assert (folder / "tickets.labels.csv").read_text().splitlines()[0] == "id,text,label,confidence"


def test_it_replaces_nothing_by_accident(cli: Cli, folder: Path) -> None:
    (folder / "rows.jsonl").write_text('{"body": "x"}\n', encoding="utf-8")
    (folder / "run.toml").write_text("mine", encoding="utf-8")
    assert "give --overwrite to replace it" in cli("init", "rows.jsonl").stderr
    assert (folder / "run.toml").read_text() == "mine"
    assert cli("init", "rows.jsonl", "--overwrite").exit_code == 0


def test_a_file_without_rows_is_an_error(cli: Cli, folder: Path) -> None:
    (folder / "empty.jsonl").write_text("", encoding="utf-8")
    result = cli("init", "empty.jsonl")
    assert result.exit_code == 1 and "has no rows" in result.stderr


def test_a_file_that_is_not_there_is_the_first_mistake(cli: Cli, folder: Path) -> None:
    (folder / "run.toml").write_text("mine", encoding="utf-8")
    result = cli("init", "nofile.csv")
    assert result.exit_code == 1 and "there is no file 'nofile.csv'" in result.stderr


def test_another_output_has_a_schema_of_its_own(cli: Cli, folder: Path) -> None:
    (folder / "tickets.csv").write_text("ticket_id,customer id,text\n1,2,long text\n", encoding="utf-8")
    assert cli("init", "tickets.csv").exit_code == 0
    assert cli("init", "tickets.csv", "--output", "r2.toml").exit_code == 0
    found = tomllib.loads((folder / "r2.toml").read_text(encoding="utf-8"))
    assert found["schema"] == "r2.schema.json" and found["id"] == "ticket_id"
    schema = json.loads((folder / "r2.schema.json").read_text(encoding="utf-8"))
    assert schema["description"] == "Decide which team a row belongs to."
