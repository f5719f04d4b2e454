"""Agents in pickles: they work when they are loaded, and hold no secret."""

import pickle
from typing import Any

import pytest

from kaizen_batch import BatchProcessorAgent, ParallelBatchStrategy, ProcessingSignature
from kaizen_batch.simulator import Simulator

KEY = "sk-explicit-5d1f"


def test_an_agent_works_after_a_pickle(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    agent = BatchProcessorAgent(
        base_url=simulator.base_url,
        model="m",
        signature=ProcessingSignature,
        parameters={"seed": 7},
        headers={"X-A": "${OPENAI_API_KEY}"},
        max_concurrent=3,
        fallbacks=("n",),
        price={"input": 1, "output": 2},
        on_stop="raise",
    )
    agent.process_single("a")
    data = pickle.dumps(agent)
    assert b"sk-of-the-environment" not in data
    again = pickle.loads(data)
    assert again.batch_config == agent.batch_config
    assert again.process_single("b")["status"] == "ok"
    assert simulator.ledger.entries[-1].parameters["seed"] == 7


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"api_key": KEY}, "set the environment variable OPENAI_API_KEY"),
        ({"headers": {"X-A": KEY}}, "the header 'X-A' of the agent is not pickled"),
    ],
)
def test_a_literal_secret_is_refused_with_the_name_of_the_variable(options: dict[str, Any], said: str) -> None:
    with pytest.raises(pickle.PicklingError) as caught:
        pickle.dumps(BatchProcessorAgent(llm_provider="mock", **options))
    assert said in str(caught.value) and KEY not in str(caught.value)


def test_a_strategy_goes_with_it() -> None:
    strategy = ParallelBatchStrategy(max_concurrent=2)
    again = pickle.loads(pickle.dumps(BatchProcessorAgent(llm_provider="mock", strategy=strategy)))
    assert again.strategy.config.max_concurrent == 2
