"""Old names of parameters."""

import pytest

from kaizen_batch import BatchProcessorAgent, ParallelBatchStrategy
from kaizen_batch.strategies.renamed import renamed


@renamed(items="batch")
def count(batch: list[int], *, twice: bool = False) -> int:
    """Count the items."""
    return len(batch) * (2 if twice else 1)


def test_the_new_name_and_the_position_work_in_silence() -> None:
    assert (count([1]), count(batch=[1], twice=True), count.__doc__) == (1, 2, "Count the items.")


def test_the_old_name_works_with_a_warning_that_names_the_new_one() -> None:
    with pytest.warns(DeprecationWarning, match="'items' of count is now 'batch'") as caught:
        assert count(items=[1, 2], twice=True) == 4  # type: ignore[call-arg]
    assert caught[0].filename == __file__


def test_both_names_at_once_are_an_error() -> None:
    with pytest.warns(DeprecationWarning), pytest.raises(TypeError):
        count([1], items=[1])  # type: ignore[call-arg]


async def test_the_names_of_the_release_before_work() -> None:
    agent = BatchProcessorAgent(llm_provider="mock")
    with pytest.warns(DeprecationWarning, match="'items' of process_batch is now 'batch'"):
        assert len(await agent.process_batch(items=["a"])) == 1  # type: ignore[call-arg]
    with pytest.warns(DeprecationWarning, match="'items' of run_batch is now 'batch'"):
        assert len((await agent.run_batch(items=["a"])).results) == 1  # type: ignore[call-arg]
    with pytest.warns(DeprecationWarning, match="'inputs' of process_single is now 'prompt'"):
        assert agent.process_single(inputs="a")["status"] == "ok"  # type: ignore[call-arg]
    with pytest.warns(DeprecationWarning, match="'batch' of execute_batch is now 'batch_inputs'"):
        assert len(await ParallelBatchStrategy().execute_batch(agent, batch=["a"])) == 1  # type: ignore[call-arg]
