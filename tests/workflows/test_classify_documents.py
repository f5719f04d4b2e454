"""Classify documents: every row gets a label, and bad input is one clear line."""

from pathlib import Path

import pytest

from tests.workflows.conftest import Run, rows_of


def test_classify_documents_labels_every_row(run: Run) -> None:
    result = run("classify-documents")
    assert result.exit_code == 0, result.output
    assert "80 ok, 0 failed, 80 calls" in result.output
    source, labelled = rows_of("documents.csv"), rows_of("documents_labelled.csv")
    assert [row["id"] for row in labelled] == [row["id"] for row in source]
    assert {row["label"] for row in labelled} == {"invoice", "contract", "complaint", "resume", "report"}
    assert all(0 <= float(row["confidence"]) <= 1 for row in labelled)


def test_an_input_of_ones_own_is_taken(run: Run, tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text("title,text\nOne,an invoice\n", encoding="utf-8")
    result = run("classify-documents", "--input", str(own))
    assert "1 ok, 0 failed" in result.output
    assert own.read_text(encoding="utf-8").count("\n") == 2


def test_a_wrong_column_is_one_clear_line_and_no_call(run: Run, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("name,body\nOne,an invoice\n", encoding="utf-8")
    result = run("classify-documents", "--input", "own.csv")
    assert result.exit_code == 1
    assert "names 'title', 'text', and the rows have 'name', 'body'" in result.output


def test_a_row_without_a_value_fails_alone_and_is_kept_apart(run: Run, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("title,text\nOne,an invoice\nshort\n", encoding="utf-8")
    result = run("classify-documents", "--input", "own.csv")
    assert result.exit_code == 0
    assert "1 ok, 1 failed" in result.output
    assert rows_of("documents_failed.csv")[0]["error"].startswith("the row has no column 'text'")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty"), ("title,text\né,x\n".encode("latin-1"), "is not UTF-8; save it as UTF-8")],
)
def test_a_file_that_cannot_be_read_is_one_clear_line(run: Run, tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "own.csv").write_bytes(content)
    result = run("classify-documents", "--input", "own.csv")
    assert result.exit_code == 1
    assert message in result.output


def test_a_byte_order_mark_is_no_part_of_a_column(run: Run, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_bytes("title,text\nOne,an invoice\n".encode("utf-8-sig"))
    assert "1 ok, 0 failed" in run("classify-documents", "--input", "own.csv").output
