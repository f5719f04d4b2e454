"""The options about files: what FileJob and Records make of them, and clear errors for wrong ones."""

from pathlib import Path

from tests.commands.conftest import Cli
from tests.commands.tables import read_csv

ASK = ("--prompt", "Classify: {text}", "--provider", "mock", "--no-journal")


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
