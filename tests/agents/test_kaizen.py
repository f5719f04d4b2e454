"""Real agents of kailash-kaizen, with a ParallelBatchStrategy of ours in the place of kaizen's."""

import gc
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from kaizen.core.base_agent import BaseAgent
from kaizen.core.config import BaseAgentConfig
from kaizen.signatures import InputField, OutputField, Signature

from kaizen_batch import ParallelBatchStrategy
from kaizen_batch.agents import as_agent
from kaizen_batch.agents.kaizen import is_kaizen_agent

# kaizen's mock answers requests for a rebuttal with JSON.
ITEM = {"prompt": "Write a rebuttal."}
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::UserWarning")


@pytest.fixture(autouse=True)
def _garbage_collected() -> Iterator[None]:
    """What kaizen leaves open is finalized within the test, whose filters know it, and not in a later one."""
    yield
    gc.collect()


class Rebuttal(Signature):
    """Argue."""

    prompt: str = InputField(desc="what to rebut")
    rebuttal: str = OutputField(desc="the rebuttal")


class Agent(BaseAgent):
    """Counts its calls."""

    def __init__(self, strategy: Any, **config: Any) -> None:
        self.calls: list[str] = []
        options = BaseAgentConfig(llm_provider="mock", model="m", **config)
        super().__init__(config=options, signature=Rebuttal(), strategy=strategy, mcp_servers=[])

    async def run_async(self, **inputs: Any) -> dict[str, Any]:
        self.calls.append("run_async")
        return await super().run_async(**inputs)  # type: ignore[no-any-return]

    def run(self, **inputs: Any) -> dict[str, Any]:
        self.calls.append(threading.current_thread().name)
        return super().run(**inputs)  # type: ignore[no-any-return]


async def test_an_asynchronous_agent_is_called_once_for_each_item() -> None:
    agent = Agent(ParallelBatchStrategy(3), use_async_llm=True)
    results = await agent.strategy.execute_batch(agent, batch_inputs=[ITEM] * 5)
    assert [(result["status"], result["rebuttal"][:4]) for result in results] == [("ok", "This")] * 5
    assert agent.calls == ["run_async"] * 5


async def test_a_synchronous_agent_is_called_in_threads() -> None:
    agent = Agent(ParallelBatchStrategy(3))
    results = await agent.strategy.execute_batch(agent, [ITEM] * 5)
    assert [(result["status"], result["rebuttal"][:4]) for result in results] == [("ok", "This")] * 5
    assert len(agent.calls) == 5
    assert all(name.startswith("kaizen_") for name in agent.calls)


async def test_the_agents_own_call_goes_through_the_strategy_without_recursion() -> None:
    agent = Agent(ParallelBatchStrategy(3), use_async_llm=True)
    assert (await agent.run_async(**ITEM))["rebuttal"].startswith("This")
    assert agent.calls == ["run_async"]


def test_the_synchronous_call_does_so_too() -> None:
    agent = Agent(ParallelBatchStrategy(3))
    assert agent.run(**ITEM)["rebuttal"].startswith("This")


async def test_a_call_in_a_thread_that_times_out_counts_as_unanswered() -> None:
    go_on = threading.Event()

    class Slow(Agent):
        def run(self, **inputs: Any) -> dict[str, Any]:
            go_on.wait(20)
            return {"rebuttal": "late"}

    strategy = ParallelBatchStrategy(1, timeout_s=0.01, retry={"attempts": 1})
    result = await strategy.run_batch(Slow(strategy), [ITEM])
    go_on.set()
    assert result.results[0]["error"]["code"] == "timeout"
    assert (result.summary.calls, result.summary.unanswered) == (1, 1)


def test_two_agents_have_two_endpoints() -> None:
    class Other(Agent):
        """Another agent."""

    ours, theirs = Agent(ParallelBatchStrategy()), Other(ParallelBatchStrategy())
    assert is_kaizen_agent(ours) and not is_kaizen_agent(as_agent(ours))
    assert as_agent(ours).endpoint != as_agent(theirs).endpoint
