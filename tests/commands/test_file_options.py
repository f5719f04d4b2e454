"""The options about files, from the command line to the rows."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tests.commands.conftest import Cli
from tests.commands.tables import read_csv

ASK = ("--prompt", "Classify: {text}", "--provider", "mock", "--no-journal")


@pytest.fixture
def run(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Any:
        return cli("run", *arguments, "--provider", "mock", "--no-journal", "--overwrite")

    return run


def test_options_of_delimited_text(run: Any, tmp_path: Path) -> None:
    Path("in.csv").write_text("title\n# x\n1~'a~b'\n2\n")
    done = run(
        "in.csv", "--prompt", "{column_2}", "--output", "o.csv", "--delimiter", "~", "--quote", "'", "--skip", "1",
        "--comment", "#", "--no-header", "--ragged", "pad", "--on-missing", "skip",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    with Path("o.csv").open(newline="") as file:
        assert list(csv.reader(file))[1:] == [["1", "a~b", "mock answer to: a~b"], ["2", "", ""]]


def test_what_was_detected_is_said(run: Any) -> None:
    Path("in.csv").write_text("a;\n1;2\n")
    done = run("in.csv", "--prompt", "{a}", "--output", "o.csv")
    assert done.stderr.count("the delimiter is a semicolon; if it is not, pass --delimiter ','") == 1
    assert done.stderr.count("column 2 has no name: it is called 'column_2' here") == 1


def test_several_files_and_columns(run: Any) -> None:
    for name in ("a", "b"):
        Path(f"{name}.csv").write_text(f"id,text,extra\n{name},x,y\n")
    done = run(
        "a.csv", "b.csv", "--prompt", "{text}", "--output", "o.jsonl", "--source-column", "file", "--drop", "extra"
    )
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in Path("o.jsonl").read_text().splitlines()]
    assert [row["file"] for row in rows] == ["a.csv", "b.csv"] and list(rows[0]) == ["id", "text", "file", "result"]
    assert run("[ab].csv", "--prompt", "{text}", "--output", "p.csv", "--select", "id").exit_code == 0
    assert Path("p.csv").read_text() == "id,result\na,mock answer to: x\nb,mock answer to: x\n"


def test_a_folder_of_documents(run: Any) -> None:
    Path("docs").mkdir()
    for name in ("a.md", "b.md", "c.txt"):
        Path("docs", name).write_text(f"text of {name}")
    done = run("docs", "--glob", "*.md", "--prompt", "{text}", "--output", "o.csv", "--id", "name")
    assert done.exit_code == 0, done.output
    with Path("o.csv").open(newline="") as file:
        assert [row["name"] for row in csv.DictReader(file)] == ["a.md", "b.md"]


def test_an_array_inside_a_document_and_a_sheet(run: Any, cli: Cli) -> None:
    Path("in.json").write_text('{"data": [{"t": "x"}]}')
    assert run("in.json", "--json-path", "data", "--prompt", "{t}", "--output", "o.xlsx").exit_code == 0
    done = run("o.xlsx", "--sheet", "Sheet1", "--prompt", "{result}", "--output", "p.csv")
    assert done.exit_code == 0, done.output
    wrong = run("in.json", "--prompt", "{t}", "--output", "o.csv")
    assert wrong.exit_code == 1 and "its rows may be in 'data': pass --json-path data" in wrong.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("in.csv", "--delimiter", "::"), "delimiter must be one character, such as ';'"),
        (("in.csv", "--select", "txt"), "select names 'txt': did you mean 'text'"),
        (("in.csv", "--id", "key"), "id names the column 'key'"),
        (("none*.csv",), "no file matches 'none*.csv'"),
        (("in.csv", "--glob", "*.csv"), "glob needs a folder as input"),
        (("docs",), "there is no document"),
    ],
)
def test_a_wrong_use_is_one_line(run: Any, arguments: tuple[str, ...], message: str) -> None:
    Path("in.csv").write_text("id,text\n1,a\n")
    Path("docs").mkdir()
    done = run(*arguments, "--prompt", "{text}", "--output", "o.csv")
    assert done.exit_code in (1, 2) and message in done.stderr
    assert "Traceback" not in done.stderr and not Path("o.csv").exists()


def test_a_dialect_is_read_as_it_is_described(cli: Cli, folder: Path) -> None:
    (folder / "in.txt").write_text("# a comment\nid|text\n1|'a|b'\n", encoding="utf-8")
    given = ("--input-format", "csv", "--delimiter", "|", "--quote", "'", "--comment", "#")
    done = cli("run", "in.txt", *ASK, "--output", "out.csv", *given)
    assert done.exit_code == 0, done.output
    assert read_csv("out.csv") == [{"id": "1", "text": "a|b", "result": "mock answer to: Classify: a|b"}]


def test_columns_are_kept_dropped_and_added(cli: Cli, folder: Path) -> None:
    (folder / "in.csv").write_text("id,text,note\n1,a,x\n", encoding="utf-8")
    done = cli("run", "in.csv", *ASK, "--output", "out.csv", "--drop", "note", "--columns", "attempts")
    assert done.exit_code == 0, done.output
    [row] = read_csv("out.csv")
    assert "note" not in row
    assert row["attempts"] == "1"


def test_an_unknown_column_of_the_answer_is_a_usage_error(cli: Cli, folder: Path) -> None:
    (folder / "in.csv").write_text("id,text\n1,a\n", encoding="utf-8")
    done = cli("run", "in.csv", *ASK, "--output", "out.csv", "--columns", "color")
    assert done.exit_code == 2
    assert "color" in done.stderr
    assert not (folder / "out.csv").exists()


def test_several_inputs_are_one(cli: Cli, folder: Path) -> None:
    for name in ("a", "b"):
        (folder / f"{name}.csv").write_text(f"text\n{name}\n", encoding="utf-8")
    done = cli("run", "a.csv", "b.csv", *ASK, "--output", "out.csv", "--source-column", "file")
    assert done.exit_code == 0, done.output
    assert [(row["text"], row["file"]) for row in read_csv("out.csv")] == [("a", "a.csv"), ("b", "b.csv")]
