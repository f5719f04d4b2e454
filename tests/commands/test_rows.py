"""Rows: standard streams, pipes, and rows with their own prompt."""

import json
import os
from pathlib import Path

import pytest

from tests.commands.conftest import Cli
from tests.commands.tables import ROWS, read_csv, write_csv


@pytest.mark.usefixtures("simulator")
def test_standard_input_and_output_carry_rows_and_nothing_else(cli: Cli) -> None:
    rows = "".join(json.dumps(row) + "\n" for row in ROWS)
    result = cli("run", "-", "--prompt", "Classify: {text}", "--output", "-", input=rows)
    assert result.exit_code == 0, result.output
    answered = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["id"] for row in answered] == [row["id"] for row in ROWS]
    assert "wrote     20 rows to standard output" in result.stderr


@pytest.mark.usefixtures("folder", "simulator")
def test_a_pipe_is_read_once(cli: Cli) -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as pipe:
        pipe.write("id,text\n1,a\n2,b\n")
    given = ("--input-format", "csv", "--prompt", "Classify: {text}", "--output", "labels.csv")
    result = cli("run", f"/dev/fd/{reader}", *given)  # what a shell makes of <(command)
    os.close(reader)
    assert result.exit_code == 0, result.output
    assert [row["id"] for row in read_csv("labels.csv")] == ["1", "2"]


def test_rows_with_a_prompt_of_their_own_need_no_template(cli: Cli, folder: Path) -> None:
    write_csv(folder / "rows.csv", [{"prompt": "a"}, {"prompt": "b"}])
    result = cli("run", "rows.csv", "--provider", "mock", "--output", "out.csv")
    assert result.exit_code == 0, result.output
    assert [row["result"] for row in read_csv("out.csv")] == ["mock answer to: a", "mock answer to: b"]
