"""Kailash at size: 100,000 items through LocalRuntime against the engine's own time and memory.

By value, the rows go into the graph and the results come out of it as lists; by path, both stay in files.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from benchmarks.bare import prompts
from benchmarks.harness import Arm, Plan, compare
from benchmarks.ours import NoOp
from benchmarks.tables import Target, report
from kaizen_batch import BatchConfig, FileJob, ParallelBatchStrategy, run_job
from kaizen_batch.agents import create_agent

ITEMS = 100_000
AT_ONCE = 50
ROUNDS = 3
ENGINE = "the engine, all results in a list"
WAYS = {
    ENGINE: "graph:engine",
    "a job, from file to file": "graph:job",
    "LocalRuntime, by value": "graph:by_value",
    "LocalRuntime, by path": "graph:by_path",
}


def run(plan: Plan) -> list[Target]:
    """Every way in turns."""
    arms = [Arm(label, where, {"items": plan.items(ITEMS)}) for label, where in WAYS.items()]
    samples = compare(arms, rounds=plan.at_most(ROUNDS))
    return report(
        "graph", samples, base=ENGINE, title=f"Kailash, {plan.items(ITEMS):,} items, a provider that does nothing"
    )


def rows(items: int) -> list[dict[str, str]]:
    """The batch."""
    return [{"prompt": prompt} for prompt in prompts(items)]


async def engine(items: int) -> int:
    """Without a graph."""
    config = BatchConfig(llm_provider="mock", max_concurrent=AT_ONCE)
    agent = create_agent(config, provider=NoOp())
    return _checked(await ParallelBatchStrategy.from_config(config).execute_batch(agent, rows(items)), items)


async def job(items: int) -> int:
    """Without a graph, JSONL in and out."""
    with _files(items) as (source, target):
        config = BatchConfig(llm_provider="mock", max_concurrent=AT_ONCE)
        done = await run_job(FileJob(source, target), create_agent(config, provider=NoOp()), config)
        assert done.rows_written == items
    return items


def by_value(items: int) -> int:
    """One node in a graph."""
    return _checked(_execute()({"agent": {"batch": rows(items)}})["results"], items)


def by_path(items: int) -> int:
    """The same, JSONL in and out."""
    with _files(items) as (source, target):
        done = _execute()({"agent": {"input_path": str(source), "output_path": str(target)}})
        assert done["summary"]["ok"] == items
    return items


@contextmanager
def _files(items: int) -> Iterator[tuple[Path, Path]]:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "in.jsonl"
        with source.open("wb") as file:
            file.writelines(orjson.dumps(row) + b"\n" for row in rows(items))
        yield source, Path(folder) / "out.jsonl"


def _execute() -> Callable[[dict[str, Any]], dict[str, Any]]:
    from kailash.runtime.local import LocalRuntime
    from kailash.workflow.builder import WorkflowBuilder

    from kaizen_batch.nodes import BatchProcessorAgent

    workflow = WorkflowBuilder()
    workflow.add_node_instance(BatchProcessorAgent(provider=NoOp(), max_concurrent=AT_ONCE), "agent")
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
