"""Outcomes: one result per item, and BatchError where a failure is to be raised."""

import pytest

from kaizen_batch import (
    BatchError,
    Completion,
    NoAnswerError,
    ParallelBatchStrategy,
    RetryPolicy,
)
from kaizen_batch.engine.outcomes import Outcomes
from tests.engine.runs import item_of, run_state
from tests.engine.spies import Spy, model_agent

pytestmark = pytest.mark.looptime(start=0)


async def test_raise_ends_the_run_at_the_first_failure_with_its_cause() -> None:
    spy = Spy(failures={2: [NoAnswerError("torn")]})
    strategy = ParallelBatchStrategy(3, on_error="raise", retry=RetryPolicy(attempts=1))
    with pytest.raises(BatchError, match="item 2 failed: torn") as caught:
        await strategy.execute_batch(spy, list(range(50)))
    assert caught.value.index == 2
    assert isinstance(caught.value.__cause__, NoAnswerError)
    assert spy.inside == 0


async def test_execute_returns_one_result_that_is_not_a_batch() -> None:
    result = await ParallelBatchStrategy().execute(model_agent(), "hello")
    assert (result["batch"], result["index"], result["result"]) == (False, 0, "mock answer to: hello")


async def test_the_result_has_the_state_of_the_item() -> None:
    run = run_state()
    item = item_of(run)
    item.completion, item.attempt, item.latency_s = Completion(text="raw", finish_reason="stop"), 3, 0.5
    result = Outcomes(run).result_of(item, {"result": "out"})
    assert (result.outputs, result.response, result.finish_reason) == ({"result": "out"}, "raw", "stop")
    assert (result.index, result.attempts, result.latency_s, result.by_fallback) == (0, 3, 0.5, False)
    assert run.metrics.ok == 1
