"""The calls of an agent node from Python: all of them give the same results."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import BatchProcessorAgent, BatchResult, PromptTemplate
from kaizen_batch.nodes import BaseAgent

ROWS = [{"text": "a"}, {"text": "b"}]
ANSWERS = ["mock answer to: Say a", "mock answer to: Say b"]
TEMPLATES = ["Say {text}", PromptTemplate("Say {text}")]


def agent(**options: Any) -> BatchProcessorAgent:
    return BatchProcessorAgent(llm_provider="mock", max_concurrent=2, **options)


@pytest.mark.parametrize("template", TEMPLATES, ids=["text", "PromptTemplate"])
async def test_every_call_gives_the_same_results(template: Any) -> None:
    whole = await agent().run_batch(ROWS, template=template)
    assert [result["result"] for result in whole.results] == ANSWERS and whole.summary.ok == 2
    assert [result["result"] for result in await agent().process_batch(ROWS, template=template)] == ANSWERS
    async with agent().stream(ROWS, template=template) as run:
        assert [result["result"] async for result in run] == ANSWERS


@pytest.mark.parametrize("template", TEMPLATES, ids=["text", "PromptTemplate"])
def test_every_synchronous_call_gives_the_same_results(template: Any) -> None:
    assert [result["result"] for result in agent().map(ROWS, template).results] == ANSWERS
    assert [agent().process_single(row, template=template)["result"] for row in ROWS] == ANSWERS


def test_one_item_can_be_given_as_keywords() -> None:
    class Shout(BaseAgent):
        async def run_async(self, **inputs: Any) -> dict[str, Any]:
            return {"loud": inputs["text"].upper()}

    assert Shout().run(text="hi")["loud"] == "HI"
    assert Shout().run(text="hi")["batch"] is False


class Recorder:
    """A strategy of somebody else's, which knows `execute_batch` alone."""

    def __init__(self) -> None:
        self.given: list[Any] = []

    async def execute_batch(self, agent: Any, batch: Any) -> list[dict[str, Any]]:
        self.given.append((agent, batch))
        return [{"index": 0}]


async def test_a_batch_is_the_strategys_to_run() -> None:
    strategy = Recorder()
    node = agent(strategy=strategy)
    assert await node.process_batch(ROWS) == [{"index": 0}]
    assert strategy.given == [(node, ROWS)]


def test_without_a_journal_there_are_no_batches(tmp_path: Path) -> None:
    assert agent().batches == []
    assert agent(journal=tmp_path / "none yet.db").batches == []


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda node: node.process_single(inputs="x"), "inputs"),
        (lambda node: node.run_batch(items=["x"]), "items"),
        (lambda node: node.process_batch(items=["x"]), "items"),
    ],
)
async def test_an_old_name_of_an_argument_works_and_warns(call: Callable[[Any], Any], name: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"the argument '{name}' of"):
        answer = call(agent())
    result = answer if isinstance(answer, dict) else await answer
    results = result.results if isinstance(result, BatchResult) else result
    assert (results if isinstance(results, dict) else results[0])["result"] == "mock answer to: x"
