"""The ready graphs, run as a user runs them."""

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kaizen_batch.commands.main import main as cli
from kaizen_batch.simulator import Simulator


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli, list(arguments))

    return run


def rows_of(path: str) -> list[dict[str, str]]:
    with Path("kaizen_batch_output", path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_classify_documents_labels_every_row(run) -> None:  # type: ignore[no-untyped-def]
    result = run("classify-documents")
    assert result.exit_code == 0, result.output
    assert "80 ok, 0 failed, 80 calls" in result.output
    source, labelled = rows_of("documents.csv"), rows_of("documents_labelled.csv")
    assert [row["id"] for row in labelled] == [row["id"] for row in source]
    assert {row["label"] for row in labelled} == {"invoice", "contract", "complaint", "resume", "report"}
    assert all(0 <= float(row["confidence"]) <= 1 for row in labelled)


def test_transform_records_adds_checked_fields(run) -> None:  # type: ignore[no-untyped-def]
    result = run("transform-records")
    assert result.exit_code == 0, result.output
    cleaned = json.loads(Path("kaizen_batch_output/customers_clean.json").read_text(encoding="utf-8"))
    assert len(cleaned) == 120
    assert all(isinstance(row["wants_a_call"], bool) for row in cleaned)


def test_rate_limited_api_is_never_refused_at_five_at_once(run) -> None:  # type: ignore[no-untyped-def]
    result = run("rate-limited-api")
    assert result.exit_code == 0, result.output
    assert "at most 5 at once" in result.output
    assert "served 100, refused 0" in result.output
    assert all(row["state"] for row in rows_of("shipments_tracked.csv"))


def test_rate_limited_api_recovers_from_refusals(run) -> None:  # type: ignore[no-untyped-def]
    result = run("rate-limited-api", "--max-concurrent", "6")
    assert result.exit_code == 0, result.output
    assert "100 ok, 0 failed" in result.output


def test_the_demo_asks_a_real_endpoint_when_told_to(run, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    with Simulator() as simulator:
        monkeypatch.setenv("OPENAI_BASE_URL", simulator.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        result = run("demo", "--provider", "openai")
    assert result.exit_code == 0, result.output
    assert simulator.ledger.billed == 100


def test_the_real_api_without_a_key_is_one_clear_line(run) -> None:  # type: ignore[no-untyped-def]
    result = run("demo", "--provider", "openai")
    assert result.exit_code == 1
    assert result.output.startswith("Error: no API key: set OPENAI_API_KEY")


def test_an_input_of_ones_own_is_taken(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    own = tmp_path / "own.csv"
    own.write_text("title,text\nOne,an invoice\n", encoding="utf-8")
    result = run("classify-documents", "--input", str(own))
    assert "1 ok, 0 failed" in result.output
    assert own.read_text(encoding="utf-8").count("\n") == 2


def test_a_wrong_column_is_one_clear_line_and_no_call(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "own.csv").write_text("name,body\nOne,an invoice\n", encoding="utf-8")
    result = run("classify-documents", "--input", "own.csv")
    assert result.exit_code == 1
    assert "names 'title', 'text', and the rows have 'name', 'body'" in result.output


def test_an_earlier_runs_output_does_not_stand_for_a_failed_one(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert run("rate-limited-api").exit_code == 0
    (tmp_path / "wrong.csv").write_text("id,body\n1,x\n", encoding="utf-8")
    result = run("rate-limited-api", "--input", "wrong.csv")
    assert result.exit_code == 1
    assert "no row succeeded; the first failed because" in result.output
    assert "missing a required argument: 'tracking_number'; given: a dict with 'id', 'body'" in result.output
    assert not Path("kaizen_batch_output/shipments_tracked.csv").exists()
    assert rows_of("shipments_failed.csv")[0]["error_code"] == "invalid_input"


def test_a_row_without_a_value_fails_alone_and_is_kept_apart(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "own.csv").write_text("title,text\nOne,an invoice\nshort\n", encoding="utf-8")
    result = run("classify-documents", "--input", "own.csv")
    assert result.exit_code == 0
    assert "1 ok, 1 failed" in result.output
    assert rows_of("documents_failed.csv")[0]["error"] == "the input 'prompt' is None: the item has no value for it"


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty"), ("title,text\né,x\n".encode("latin-1"), "is not UTF-8; save it as UTF-8")],
)
def test_a_file_that_cannot_be_read_is_one_clear_line(run, tmp_path: Path, content: bytes, message: str) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "own.csv").write_bytes(content)
    result = run("classify-documents", "--input", "own.csv")
    assert result.exit_code == 1
    assert message in result.output


def test_a_byte_order_mark_is_no_part_of_a_column(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "own.csv").write_bytes("title,text\nOne,an invoice\n".encode("utf-8-sig"))
    assert "1 ok, 0 failed" in run("classify-documents", "--input", "own.csv").output


def test_an_option_out_of_range_is_one_clear_line(run) -> None:  # type: ignore[no-untyped-def]
    result = run("demo", "--max-concurrent", "0")
    assert result.exit_code == 1
    assert result.output.startswith("Error: option 'max_concurrent' is invalid")
