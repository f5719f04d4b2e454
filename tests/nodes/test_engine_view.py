"""How the engine sees a node: its own work as an agent, and the node as a sink."""

from typing import Any

import pytest
from kailash.runtime.local import LocalRuntime

from kaizen_batch import BaseAgent, BatchProcessorAgent, KaizenBatchError, ServerError
from kaizen_batch.agents import Agent, as_agent
from kaizen_batch.nodes.engine_view import OwnWork


class Shout(BaseAgent):
    """An agent of the user's own."""

    async def run_async(self, text: str, **_: Any) -> dict[str, Any]:
        if text == "bad":
            raise ConnectionResetError("gone")
        return {"loud": text.upper()}

    def classify_error(self, error: Exception) -> KaizenBatchError:
        return ServerError("classified", code="own") if isinstance(error, OSError) else super().classify_error(error)


async def test_the_nodes_own_work_is_an_agent() -> None:
    agent = OwnWork(Shout())
    assert isinstance(agent, Agent)
    completion = await agent.complete(agent.prepare({"text": "a", "other": 1}))
    assert agent.parse(None, completion) == {"loud": "A"}


async def test_the_node_classifies_its_errors() -> None:
    agent = OwnWork(Shout())
    with pytest.raises(ServerError, match="classified") as caught:
        await agent.complete(agent.prepare({"text": "bad"}))
    assert isinstance(caught.value.__cause__, ConnectionResetError)


def test_a_strategy_finds_the_engines_agent_of_a_node() -> None:
    own, model = Shout(), BatchProcessorAgent(llm_provider="mock")
    assert isinstance(as_agent(own), OwnWork)
    assert as_agent(model) is model.engine_agent()
    assert as_agent(model).name == "gpt-3.5-turbo"


def test_progress_reaches_the_runtimes_registry() -> None:
    seen: list[Any] = []
    workflow = Shout(batch=[{"text": "a"}] * 7).to_workflow("shout").build()
    with LocalRuntime(enable_monitoring=False) as runtime:
        runtime.progress_registry.register(seen.append)
        runtime.execute(workflow)
    assert (seen[-1].node_id, seen[-1].current, seen[-1].total) == ("shout", 7, 7)
