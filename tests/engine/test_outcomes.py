"""Outcomes: one result per item, and BatchError where a failure is to be raised."""

import pytest

from kaizen_batch import (
    BatchError,
    NoAnswerError,
    ParallelBatchStrategy,
    RetryPolicy,
)
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
