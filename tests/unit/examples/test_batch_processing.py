"""The example of the original design: BatchProcessorAgent and BatchConfig, imported from workflows/workflow.py."""

import asyncio
import dataclasses
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kailash.runtime.local import LocalRuntime
from kailash.workflow.builder import WorkflowBuilder

from kaizen_batch import BaseAgent, InputField, OutputField, ParallelBatchStrategy, ProcessingSignature, Signature
from kaizen_batch.simulator import Simulator
from kaizen_batch.workflows.workflow import BatchConfig, BatchProcessorAgent

WORKFLOWS = Path(__file__).parents[3] / "workflows"


def python(*arguments: str) -> str:
    """What a command of the original prints, in the folder of the workflows and without a key."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=WORKFLOWS, env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


@pytest.fixture
def endpoint() -> Iterator[Simulator]:
    """An endpoint whose calls take long enough to overlap."""
    with Simulator(latency_s=0.005) as simulator:
        yield simulator


def agent_at(endpoint: Simulator, **options: Any) -> BatchProcessorAgent:
    return BatchProcessorAgent(BatchConfig(base_url=endpoint.base_url, api_key="any", **options))


# The commands.


def test_python_workflow_py_prints_the_demo() -> None:
    lines = python("workflow.py").splitlines()
    assert lines[:2] == ["Batch Processing Demo", "=" * 50]
    assert "Processing 20 items with max_concurrent=5..." in lines
    assert re.search(r"^Completed 20 items in \d+\.\d{3}s\nThroughput: \d+\.\d items/sec$", "\n".join(lines), re.M)
    samples = lines[lines.index("Sample results:") + 1 :][:3]
    assert [line.partition(", ")[0] for line in samples] == [
        f"  {number + 1}. {{'result': 'mock answer to: Process document {number}'" for number in range(3)
    ]
    compared = lines[lines.index("Concurrency Comparison") + 2 :]
    assert [line.partition(" in ")[0] for line in compared] == [
        f"max_concurrent={limit:2d}: 10 items" for limit in (1, 3, 5, 10)
    ]


def test_the_names_are_imported_from_workflow_in_its_folder() -> None:
    code = (
        "from workflow import BatchProcessorAgent, BatchConfig; "
        "agent = BatchProcessorAgent(BatchConfig(llm_provider='mock', max_concurrent=5)); "
        "print(agent.process_single('Analyze this text')['result'])"
    )
    assert python("-c", code) == "mock answer to: Analyze this text\n"


# The agent.


def test_an_agent_has_a_parallel_strategy_from_its_config() -> None:
    config = BatchConfig(llm_provider="mock", max_concurrent=5)
    agent = BatchProcessorAgent(config)
    assert isinstance(agent, BaseAgent)
    assert isinstance(agent.strategy, ParallelBatchStrategy)
    assert agent.strategy.max_concurrent == 5
    assert agent.batch_config == config
    assert isinstance(agent.signature, ProcessingSignature)


def test_the_defaults_are_those_of_the_design() -> None:
    config = BatchConfig(api_key="any")
    assert (config.llm_provider, config.model, config.temperature, config.max_tokens, config.max_concurrent) == (
        "openai", "gpt-3.5-turbo", 0.1, 200, 10,
    )  # fmt: skip


@dataclasses.dataclass
class OwnConfig:
    """A dataclass of the user's."""

    llm_provider: str = "mock"
    model: str = "own-model"
    temperature: float = 0.5
    max_tokens: int = 50
    max_concurrent: int = 3
    color: str = "blue"


def test_any_dataclass_with_such_fields_is_a_config() -> None:
    agent = BatchProcessorAgent(OwnConfig())
    assert (agent.batch_config.model, agent.strategy.max_concurrent) == ("own-model", 3)
    assert agent.process_single("a")["answered_by"] == "own-model"
    assert BatchProcessorAgent(OwnConfig(), max_concurrent=2).strategy.max_concurrent == 2


@pytest.mark.parametrize("config", [OwnConfig, 7, "mock"])
def test_what_is_no_config_is_an_error(config: Any) -> None:
    with pytest.raises(ValueError, match="config must be a BatchConfig, a dict of its options, or a dataclass"):
        BatchProcessorAgent(config)


def test_a_batch_is_processed_concurrently_and_in_order(endpoint: Simulator) -> None:
    agent = agent_at(endpoint, max_concurrent=5)
    results = asyncio.run(agent.process_batch(batch=[{"prompt": f"Item {number}"} for number in range(25)]))
    assert [result["result"] for result in results] == [f"mock answer to: Item {number}" for number in range(25)]
    assert all(result["batch"] for result in results)
    assert 2 <= endpoint.ledger.peak_in_flight <= 5


@pytest.mark.parametrize("limit", [1, 3])
def test_no_more_calls_than_the_limit_are_in_flight(endpoint: Simulator, limit: int) -> None:
    asyncio.run(agent_at(endpoint, max_concurrent=limit).process_batch([{"prompt": "x"}] * 12))
    assert endpoint.ledger.peak_in_flight == limit


def test_an_empty_batch_is_an_empty_list(endpoint: Simulator) -> None:
    assert asyncio.run(agent_at(endpoint).process_batch([])) == []
    assert endpoint.ledger.calls == 0


def test_a_single_item_has_no_batch(endpoint: Simulator) -> None:
    agent = agent_at(endpoint)
    for result in (agent.process_single(prompt="a"), agent.process_single("a"), agent.run(prompt="a")):
        assert (result["result"], result["batch"]) == ("mock answer to: a", False)


def test_a_large_batch_is_complete(endpoint: Simulator) -> None:
    results = asyncio.run(agent_at(endpoint, max_concurrent=50).process_batch([{"prompt": "x"}] * 500))
    assert (len(results), endpoint.ledger.billed) == (500, 500)
    assert endpoint.ledger.peak_in_flight <= 50


def test_it_logs_measures_and_handles_errors(endpoint: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="kaizen_batch.agent")
    agent = agent_at(endpoint)
    results = asyncio.run(agent.process_batch([{"prompt": "a"}, {"wrong": "b"}]))
    assert [result["status"] for result in results] == ["ok", "error"]
    assert agent.performance()["items"] == 2
    assert any("batch finished" in record.getMessage() for record in caplog.records)


# Classes in the form of the design.


class Extraction(Signature):
    """Extract what matters."""

    prompt: str = InputField(desc="the text")
    result: str = OutputField(desc="what matters")


class DesignAgent(BaseAgent):
    """The agent as the design writes it: config, signature and strategy go to the base class."""

    def __init__(self, config: Any) -> None:
        strategy = ParallelBatchStrategy(max_concurrent=config.max_concurrent)
        super().__init__(config=config, signature=Extraction(), strategy=strategy)
        self.batch_config = config

    async def process_batch(self, batch: Any) -> Any:
        return await self.strategy.execute_batch(self, batch)

    def process_single(self, prompt: Any) -> Any:
        return self.run(prompt=prompt)

    def run(self, **inputs: Any) -> Any:
        return BaseAgent.process_single(self, inputs)


@pytest.mark.parametrize("config", [OwnConfig(), BatchConfig(llm_provider="mock", max_concurrent=3)])
def test_an_agent_of_that_form_works(config: Any) -> None:
    agent = DesignAgent(config)
    results = asyncio.run(agent.process_batch([{"prompt": f"Item {number}"} for number in range(9)]))
    assert [result["result"] for result in results] == [f"mock answer to: Item {number}" for number in range(9)]
    assert agent.process_single("a")["result"] == "mock answer to: a"
    assert agent.batch_config is config
    assert isinstance(agent.signature, Extraction)


# In a workflow.


@pytest.mark.filterwarnings("ignore:Instance-based API usage detected:UserWarning")
@pytest.mark.filterwarnings("ignore:LocalRuntime:DeprecationWarning", "ignore::ResourceWarning")
def test_the_three_lines_of_the_design_run() -> None:
    agent = BatchProcessorAgent(BatchConfig(llm_provider="mock"))
    workflow = WorkflowBuilder()
    workflow.add_node_instance(agent)
    with LocalRuntime(enable_monitoring=False) as runtime:
        results, run_id = runtime.execute(workflow.build())
    [output] = results.values()
    assert (output["results"], output["summary"]["total"]) == ([], 0)
    assert run_id is None  # nothing is recorded without monitoring
