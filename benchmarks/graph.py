"""Kailash at scale: 100,000 items through LocalRuntime, against the engine's own time and memory.

By value, rows and results pass through the graph as lists; by path, both stay in files. A node that has its results
ready shows what the runtime itself does with such lists.
"""

import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from benchmarks.bare import prompts
from benchmarks.harness import Arm, Plan, compare
from benchmarks.ours import ANSWER, NoOp
from benchmarks.tables import Target, ratio, report
from kaizen_batch import BatchConfig, FileJob, ParallelBatchStrategy, run_job
from kaizen_batch.agents import create_agent
from kaizen_batch.results import ItemResult

ITEMS = 100_000
AT_ONCE = 50
ROUNDS = 3
ENGINE, JOB = "the engine, all results in a list", "a job, from file to file"
RUNTIME, BY_VALUE, BY_PATH = "LocalRuntime, results ready", "LocalRuntime, by value", "LocalRuntime, by path"
WAYS = {
    ENGINE: "graph:engine",
    RUNTIME: "graph:runtime",
    BY_VALUE: "graph:by_value",
    JOB: "graph:job",
    BY_PATH: "graph:by_path",
}
WANTED = 0.75  # of the speed of the engine and the runtime, one after the other


def run(plan: Plan) -> list[Target]:
    """Measure all ways in turns."""
    arms = [Arm(label, where, {"items": plan.items(ITEMS)}) for label, where in WAYS.items()]
    samples = compare(arms, rounds=plan.at_most(ROUNDS))
    parts = [
        1 / (1 / engine.items_per_s + 1 / runtime.items_per_s)
        for engine, runtime in zip(samples[ENGINE], samples[RUNTIME], strict=True)
    ]
    shares = [node.items_per_s / both for node, both in zip(samples[BY_VALUE], parts, strict=True)]
    targets = [
        Target("the node by value, of the engine and the runtime", statistics.median(shares), WANTED, form=".0%"),
        Target("the node by path, of a job", ratio(samples, BY_PATH, JOB), WANTED, form=".0%"),
    ]
    title = f"Kailash, {plan.items(ITEMS):,} items, a provider that does nothing"
    return report("graph", samples, base=ENGINE, targets=targets, title=title)


def rows(items: int) -> list[dict[str, str]]:
    """The items of the batch."""
    return [{"prompt": prompt} for prompt in prompts(items)]


async def engine(items: int) -> int:
    """The engine without a graph."""
    config = BatchConfig(llm_provider="mock", max_concurrent=AT_ONCE)
    agent = create_agent(config, provider=NoOp())
    return _checked(await ParallelBatchStrategy.from_config(config).execute_batch(agent, rows(items)), items)


async def job(items: int) -> int:
    """A job without a graph, from JSONL to JSONL."""
    with _files(items) as (source, target):
        config = BatchConfig(llm_provider="mock", max_concurrent=AT_ONCE)
        done = await run_job(FileJob(source, target), create_agent(config, provider=NoOp()), config)
        assert done.rows_written == items
    return items


def runtime(items: int) -> int:
    """A node that only returns results, in a graph."""
    from kailash.nodes.base import Node, NodeParameter

    class Ready(Node):  # type: ignore[misc]
        def get_parameters(self) -> dict[str, NodeParameter]:
            return {"batch": NodeParameter(name="batch", type=list, required=False)}

        def run(self, **inputs: Any) -> dict[str, Any]:
            return {"results": [result | {"index": n} for n in range(len(inputs["batch"]))], "summary": {}}

    result = ItemResult(0, {"result": "ok"}, None, "ok", "stop", ANSWER.usage, 1, 0.001, None, "nothing").to_dict()
    return _checked(_execute(Ready())({"agent": {"batch": rows(items)}})["results"], items)


def by_value(items: int) -> int:
    """The agent as a node in a graph, by value."""
    return _checked(_execute(_node())({"agent": {"batch": rows(items)}})["results"], items)


def by_path(items: int) -> int:
    """The same by path, from JSONL to JSONL."""
    with _files(items) as (source, target):
        done = _execute(_node())({"agent": {"input_path": str(source), "output_path": str(target)}})
        assert done["summary"]["ok"] == items
    return items


@contextmanager
def _files(items: int) -> Iterator[tuple[Path, Path]]:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "in.jsonl"
        with source.open("wb") as file:
            file.writelines(orjson.dumps(row) + b"\n" for row in rows(items))
        yield source, Path(folder) / "out.jsonl"


def _node() -> Any:
    from kaizen_batch.nodes import BatchProcessorAgent

    return BatchProcessorAgent(provider=NoOp(), max_concurrent=AT_ONCE)


def _execute(node: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    from kailash.runtime.local import LocalRuntime
    from kailash.workflow.builder import WorkflowBuilder

    workflow = WorkflowBuilder()
    workflow.add_node_instance(node, "agent")
    graph = workflow.build()

    def execute(parameters: dict[str, Any]) -> dict[str, Any]:
        with LocalRuntime(enable_monitoring=False) as runtime:
            outputs, _ = runtime.execute(graph, parameters=parameters)
        done: dict[str, Any] = outputs["agent"]
        return done

    return execute


def _checked(results: list[dict[str, Any]], items: int) -> int:
    assert len(results) == items
    assert all(result["status"] == "ok" for result in results)
    return items
