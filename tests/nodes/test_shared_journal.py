"""Agents of one graph, on one level or one after the other, share a journal: one call for one question, one budget."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from kailash.runtime.async_local import AsyncLocalRuntime
from kailash.runtime.local import LocalRuntime
from kailash.workflow.builder import WorkflowBuilder

import kaizen_batch.nodes  # noqa: F401 - registers the nodes
from kaizen_batch.journal import Journal
from kaizen_batch.simulator import Simulator

TEXTS = [f"Label ticket {number}" for number in range(40)]

pytestmark = [
    pytest.mark.usefixtures("garbage_collected"),
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


def two_agents(simulator: Simulator, batches: tuple[list[str], list[str]], **options: Any) -> Any:
    builder = WorkflowBuilder()
    for name, batch in zip(("one", "two"), batches, strict=True):
        given = {"endpoint": simulator.base_url, "api_key": "any", "retry": {"attempts": 1}, "max_concurrent": 8}
        given["price"] = {"input": 1000, "output": 1000}
        builder.add_node("BatchProcessorAgent", name, {**given, **options, "batch": batch})
    return builder.build()


def locally(workflow: Any) -> dict[str, Any]:
    """LocalRuntime."""
    with LocalRuntime(enable_monitoring=False) as runtime:
        results, _ = runtime.execute(workflow)
    return dict(results)


def asynchronously(workflow: Any) -> dict[str, Any]:
    """AsyncLocalRuntime, which runs both at once."""

    async def main() -> dict[str, Any]:
        async with AsyncLocalRuntime(execution_timeout=0) as runtime:
            results, _ = await runtime.execute_workflow_async(workflow, inputs={})
        return dict(results)

    return asyncio.run(main())


both = pytest.mark.parametrize("execute", [locally, asynchronously])


@both
def test_two_agents_on_one_level_ask_each_question_once(execute: Any, tmp_path: Path) -> None:
    with Simulator(latency_s=0.02) as simulator:
        workflow = two_agents(simulator, (TEXTS, TEXTS[::-1]), journal=str(tmp_path / "run.db"))
        results = execute(workflow)
        assert simulator.ledger.billed == len(TEXTS)
    one, two = ([result["result"] for result in results[name]["results"]] for name in ("one", "two"))
    assert one == two[::-1] and None not in one
    calls, replayed = (sum(results[name]["summary"][count] for name in results) for count in ("calls", "from_journal"))
    assert (calls, replayed) == (len(TEXTS), len(TEXTS))
    totals = Journal(tmp_path / "run.db").totals()
    assert (totals.attempts, totals.under_way, totals.unanswered) == (len(TEXTS), 0, 0)
    spent = sum(results[name]["summary"]["cost_usd"] for name in results)
    assert totals.spent_usd == pytest.approx(spent)


@both
def test_one_budget_covers_both(execute: Any, tmp_path: Path) -> None:
    batches = tuple([f"{name}: {text}" for text in TEXTS] for name in ("one", "two"))
    with Simulator(latency_s=0.01) as simulator:
        options = {"journal": str(tmp_path / "run.db"), "max_tokens": 20}
        results = execute(two_agents(simulator, batches, budget_usd=0.5, **options))  # type: ignore[arg-type]
    totals = Journal(tmp_path / "run.db").totals()
    assert 0 < totals.spent_usd <= 0.5 and totals.under_way == totals.unanswered == 0
    assert sum(results[name]["summary"]["calls"] for name in results) == totals.attempts < 2 * len(TEXTS)
    assert any("BudgetExhaustedError" in (results[name]["summary"]["stopped"] or "") for name in results)
