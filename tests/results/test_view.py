"""A batch result shows its summary and a few rows, never all of them, and nothing that a page or terminal obeys."""

from typing import Any

import pytest

from kaizen_batch import BatchProcessorAgent, BatchResult, BatchSummary


def result(number: int, **fields: Any) -> dict[str, Any]:
    return {"index": number, "batch": True, "status": "ok", "error": None, **fields}


def many(number: int, **fields: Any) -> BatchResult:
    return BatchResult([result(n, **fields) for n in range(number)], BatchSummary(total=number, ok=number))  # type: ignore[misc]


def test_a_large_result_is_shown_by_its_first_rows() -> None:
    shown = repr(many(100_000, answer="yes " * 1000))
    assert shown.startswith("100,000 items in 0 s: 100,000 done\n[0] yes yes ")
    assert shown.endswith("... and 99,995 more in .results") and len(shown) < 1000


def test_in_a_notebook_it_is_a_table_without_markup_of_others() -> None:
    page = many(3, answer="<script>x</script>\x1b[2J")._repr_html_()
    assert page.count("<tr>") == 4 and "&lt;script&gt;" in page
    assert "<script" not in page and "\x1b" not in page


def test_a_failed_row_shows_its_error() -> None:
    error = {"type": "X", "message": "not this one", "code": "bad_request", "retryable": False}
    failed = BatchResult([result(0, answer=None, error=error, status="error")], BatchSummary(total=1, failed=1))  # type: ignore[list-item]
    assert "[0] error: bad_request: not this one" in repr(failed)


def test_map_is_the_synchronous_call_with_a_template_and_progress(capsys: Any) -> None:
    agent = BatchProcessorAgent(llm_provider="mock")
    found = agent.map([{"text": "a"}, {"text": "b"}], "Say {text}", progress=True)
    assert [each["result"] for each in found.results] == ["mock answer to: Say a", "mock answer to: Say b"]
    assert "2 items in " in capsys.readouterr().err


async def test_map_works_inside_a_running_loop_as_a_notebook_has_one() -> None:
    assert BatchProcessorAgent(llm_provider="mock").map(["a"]).summary.ok == 1


def test_its_sentences_are_broken_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    summary = BatchSummary(total=400, ok=100, failed=300, failures={"refusal": 300})
    lines = repr(BatchResult([], summary)).splitlines()
    assert max(map(len, lines)) < 60
    assert lines[1:3] == [
        "failed    300 refusal (the model refused): change the",
        "          prompt, or add a fallback model",
    ]
