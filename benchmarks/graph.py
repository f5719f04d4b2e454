"""Kailash at size: 100,000 items through LocalRuntime against the engine's own time and memory.

By value, the rows go into the graph and the results come out of it as lists.
"""

from collections.abc import Callable
from typing import Any

from benchmarks.bare import prompts
from benchmarks.harness import Arm, Plan, compare
from benchmarks.ours import NoOp
from benchmarks.tables import Target, report
from kaizen_batch import BatchConfig, ParallelBatchStrategy
from kaizen_batch.agents import create_agent

ITEMS = 100_000
AT_ONCE = 50
ROUNDS = 3
ENGINE = "the engine, all results in a list"
# A way by path (rows from a file, results to a file) is one more line here.
WAYS = {ENGINE: "graph:engine", "LocalRuntime, by value": "graph:by_value"}


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


def by_value(items: int) -> int:
    """One node in a graph."""
    return _checked(_execute()({"agent": {"batch": rows(items)}}), items)


def _execute() -> Callable[[dict[str, Any]], list[dict[str, Any]]]:
    from kailash.runtime.local import LocalRuntime
    from kailash.workflow.builder import WorkflowBuilder

    from kaizen_batch.nodes import BatchProcessorAgent

    workflow = WorkflowBuilder()
    workflow.add_node_instance(BatchProcessorAgent(provider=NoOp(), max_concurrent=AT_ONCE), "agent")
    graph = workflow.build()

    def execute(parameters: dict[str, Any]) -> list[dict[str, Any]]:
        with LocalRuntime(enable_monitoring=False) as runtime:
            outputs, _ = runtime.execute(graph, parameters=parameters)
        results: list[dict[str, Any]] = outputs["agent"]["results"]
        return results

    return execute


def _checked(results: list[dict[str, Any]], items: int) -> int:
    assert len(results) == items
    assert all(result["status"] == "ok" for result in results)
    return items
