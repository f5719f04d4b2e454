"""JoinResultsNode: outputs beside their rows, failed rows apart."""

from typing import Any

import pytest
from kailash.sdk_exceptions import NodeValidationError

from kaizen_batch import BatchProcessorAgent, ItemResult, JoinResultsNode


def join(rows: Any, results: Any) -> dict[str, Any]:
    return JoinResultsNode().execute(rows=rows, results=results)


def ok(index: int, **outputs: Any) -> dict[str, Any]:
    return ItemResult(index, outputs, response="raw", attempts=1, latency_s=0.1).to_dict()


def failed(index: int) -> dict[str, Any]:
    error = {"type": "BadRequestError", "message": "too long", "code": "context_length", "retryable": False}
    return {"label": None, "index": index, "status": "error", "error": error, "batch": True}


def test_outputs_stand_beside_their_row_without_the_envelope() -> None:
    joined = join([{"id": 1}, {"id": 2}], [ok(0, label="a"), ok(1, label="b")])
    assert joined == {"data": [{"id": 1, "label": "a"}, {"id": 2, "label": "b"}], "failed_rows": []}


def test_failed_rows_stand_apart_with_their_reason() -> None:
    joined = join([{"id": 1}, {"id": 2}], [failed(0), ok(1, label="b")])
    assert joined["data"] == [{"id": 2, "label": "b"}]
    assert joined["failed_rows"] == [{"id": 1, "error": "too long", "error_code": "context_length"}]


def test_results_in_order_of_completion_are_joined_by_index() -> None:
    joined = join([{"id": 1}, {"id": 2}], [ok(1, label="b"), ok(0, label="a")])
    assert joined["data"] == [{"id": 1, "label": "a"}, {"id": 2, "label": "b"}]


def test_an_output_named_as_a_column_does_not_replace_it() -> None:
    assert join([{"label": "mine"}], [ok(0, label="theirs")])["data"] == [{"label": "mine", "label_result": "theirs"}]


def test_rows_are_not_changed() -> None:
    rows = [{"id": 1}, {"id": 2}]
    join(rows, [ok(0, label="a"), failed(1)])
    assert rows == [{"id": 1}, {"id": 2}]


def test_rows_of_text_become_prompts() -> None:
    assert join(["hello"], [ok(0, result="hi")])["data"] == [{"prompt": "hello", "result": "hi"}]


def test_nothing_joins_to_nothing() -> None:
    assert join([], []) == {"data": [], "failed_rows": []}


def test_lists_of_different_length_do_not_belong_together() -> None:
    with pytest.raises(NodeValidationError, match="2 rows and 1 results"):
        join([{}, {}], [ok(0)])


@pytest.mark.parametrize(("rows", "results", "name"), [(None, [], "rows"), ([], "x", "results"), ({}, [], "rows")])
def test_a_wrong_input_is_named(rows: Any, results: Any, name: str) -> None:
    with pytest.raises(NodeValidationError, match=f"'{name}' must be a list"):
        join(rows, results)


def test_it_takes_what_the_agent_gives() -> None:
    rows = [{"prompt": "a"}, {"prompt": None}, {"prompt": "c"}]
    results = BatchProcessorAgent(llm_provider="mock").execute(batch=rows)["results"]
    joined = join(rows, results)
    assert joined["data"] == [
        {"prompt": "a", "result": "mock answer to: a"},
        {"prompt": "c", "result": "mock answer to: c"},
    ]
    assert [row["error_code"] for row in joined["failed_rows"]] == ["invalid_input"]


def test_a_functions_own_outputs_are_kept_whatever_they_are_called() -> None:
    result = ItemResult(0, {"response": "R", "usage": 5}, from_model=False).to_dict()
    assert join([{"id": 1}], [result])["data"] == [{"id": 1, "response": "R", "usage": 5}]


def test_no_column_is_lost_to_a_new_one() -> None:
    assert join([{"a": 1, "a_result": "KEEP"}], [ok(0, a=2)])["data"] == [
        {"a": 1, "a_result": "KEEP", "a_result_result": 2}
    ]
    [row] = join([{"error": "mine"}], [failed(0)])["failed_rows"]
    assert (row["error"], row["error_result"]) == ("mine", "too long")


def test_results_that_are_not_of_one_batch_are_refused() -> None:
    with pytest.raises(NodeValidationError, match="must run from 0, each once"):
        join([{"id": 1}, {"id": 2}], [ok(0), ok(0)])


def test_a_prefix_goes_before_each_output() -> None:
    node = JoinResultsNode(prefix="summary_")
    joined = node.execute(rows=[{"id": 1}, {"id": 2}], results=[ok(0, result="a", sure=1), failed(1)])
    assert joined["data"] == [{"id": 1, "summary_result": "a", "summary_sure": 1}]
    assert joined["failed_rows"] == [{"id": 2, "error": "too long", "error_code": "context_length"}]


def test_a_prefix_that_is_no_text_is_an_error() -> None:
    with pytest.raises(NodeValidationError, match="'prefix' must be a text"):
        JoinResultsNode().execute(rows=[], results=[], prefix=3)


def test_rows_that_are_results_contribute_their_outputs() -> None:
    joined = JoinResultsNode().execute(rows=[ok(0, result="a")], results=[ok(0, result="b")], prefix="next_")
    assert joined["data"] == [{"result": "a", "next_result": "b"}]


def test_an_unknown_input_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(NodeValidationError, match="unknown input 'result': did you mean 'results'"):
        JoinResultsNode().execute(rows=[], result=[])
