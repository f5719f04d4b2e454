"""One item's result: a flat, JSON-serializable dict with the same keys for every item."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch.errors import AgentError, BatchError, KaizenBatchError, ServerError, ThrottledError
from kaizen_batch.prices import Usage
from kaizen_batch.results import ENVELOPE, MODEL_ENVELOPE, REASONING, ItemError, ItemResult

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
NAMES = st.text(min_size=1).filter(lambda name: name not in ENVELOPE + MODEL_ENVELOPE)
ERRORS = st.builds(ItemError, type=st.text(), message=st.text(), code=st.text(), retryable=st.booleans())


@pytest.mark.parametrize(
    ("error", "record"),
    [
        (ServerError("down", code="bad_gateway"), ItemError("ServerError", "down", "bad_gateway", True)),
        (ThrottledError("slow"), ItemError("ThrottledError", "slow", "rate_limit_exceeded", True)),
        (AgentError("no"), ItemError("AgentError", "no", "agent_failed", False)),
        (ServerError("x", retryable=False), ItemError("ServerError", "x", "server_error", False)),
        (BatchError("x", index=1), ItemError("BatchError", "x", "item_failed", False)),
    ],
)
def test_an_error_becomes_a_record(error: KaizenBatchError, record: ItemError) -> None:
    assert ItemError.of(error) == record


def test_the_dict_of_a_models_result_has_the_outputs_and_both_envelopes() -> None:
    result = ItemResult(
        index=4,
        outputs={"result": "fine"},
        response="fine",
        finish_reason="stop",
        usage=Usage(3, 1),
        attempts=2,
        latency_s=0.25,
    )
    assert result.to_dict() == {
        "result": "fine",
        "response": "fine",
        "finish_reason": "stop",
        "usage": {"input_tokens": 3, "output_tokens": 1, "cached_tokens": 0, "reasoning_tokens": 0},
        "attempts": 2,
        "latency_s": 0.25,
        "cost_usd": None,
        "answered_by": None,
        "from_journal": False,
        "reasoning": None,
        "batch": True,
        "index": 4,
        "status": "ok",
        "error": None,
    }


def test_the_dict_of_a_functions_result_has_its_own_keys_and_the_short_envelope() -> None:
    result = ItemResult(index=0, outputs={"response": "mine", "usage": 7}, from_model=False)
    assert result.to_dict() == {
        "response": "mine",
        "usage": 7,
        "batch": True,
        "index": 0,
        "status": "ok",
        "error": None,
    }


def test_a_failed_item_says_why() -> None:
    result = ItemResult(index=1, outputs={"result": None}, error=ItemError("ServerError", "down", "server_error", True))
    assert result.status == "error"
    assert result.to_dict()["error"] == {
        "type": "ServerError",
        "message": "down",
        "code": "server_error",
        "retryable": True,
    }


@given(
    outputs=st.dictionaries(NAMES, JSON, max_size=4),
    error=st.none() | ERRORS,
    usage=st.none() | st.builds(Usage, st.integers(0, 9), st.integers(0, 9)),
    from_model=st.booleans(),
)
def test_every_dict_is_json_and_has_the_same_keys(
    outputs: dict[str, Any], error: ItemError | None, usage: Usage | None, from_model: bool
) -> None:
    plain = ItemResult(index=0, outputs=outputs, error=error, usage=usage, from_model=from_model).to_dict()
    assert json.loads(json.dumps(plain)) == plain
    envelope = ENVELOPE + ((*MODEL_ENVELOPE, REASONING, REASONING) if from_model else ())
    assert set(plain) == set(outputs) | set(envelope)
    assert plain["status"] == ("ok" if error is None else "error")


def test_making_the_dict_does_not_change_the_outputs() -> None:
    outputs = {"result": "x"}
    ItemResult(index=0, outputs=outputs).to_dict()["extra"] = 1
    assert outputs == {"result": "x"}


def test_the_dict_of_a_single_call_says_that_it_is_not_a_batch() -> None:
    assert ItemResult(index=0, outputs={}, batch=False).to_dict()["batch"] is False
