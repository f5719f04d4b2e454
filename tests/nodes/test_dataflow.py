"""Between the nodes that DataFlow generates for a model: rows out of a database, answers into it."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from dataflow import DataFlow
from kailash.runtime.async_local import AsyncLocalRuntime
from kailash.runtime.local import LocalRuntime
from kailash.workflow.builder import WorkflowBuilder

import kaizen_batch.nodes  # noqa: F401 - registers the nodes
from kaizen_batch.simulator import Simulator

# DataFlow closes its connections with the process.
pytestmark = [
    pytest.mark.usefixtures("garbage_collected"),
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
    ),
]

SHAPE = "result = {'answers': [{'id': row['id'], 'answer': row['result']} for row in rows]}"


def locally(*graphs: WorkflowBuilder) -> None:
    with LocalRuntime(enable_monitoring=False) as runtime:
        for graph in graphs:
            runtime.execute(graph.build())


def asynchronously(*graphs: WorkflowBuilder) -> None:
    async def main() -> None:
        async with AsyncLocalRuntime(execution_timeout=0) as runtime:
            for graph in graphs:
                await runtime.execute_workflow_async(graph.build(), inputs={})

    asyncio.run(main())


@pytest.mark.parametrize("run", [locally, asynchronously])
def test_rows_of_a_model_are_answered_and_stored(
    simulator: Simulator, tmp_path: Path, run: Callable[..., None]
) -> None:
    database = DataFlow(f"sqlite:///{tmp_path}/letters.db")

    @database.model
    class Letter:
        id: str
        text: str

    @database.model
    class Answer:
        id: str
        answer: str

    asyncio.run(database.create_tables_async())
    rows = [{"id": "1", "text": "one"}, {"id": "2", "text": "two"}]
    fill = WorkflowBuilder()
    fill.add_node("LetterBulkCreateNode", "create", {"data": rows})
    graph = WorkflowBuilder()
    graph.add_node("LetterListNode", "list", {})
    agent = {"endpoint": simulator.base_url, "api_key": "any", "template": "Say {text}"}
    graph.add_node("BatchProcessorAgent", "ask", agent)
    graph.add_node("JoinResultsNode", "join", {})
    graph.add_node("PythonCodeNode", "shape", {"code": SHAPE})
    graph.add_node("AnswerBulkCreateNode", "store", {})
    graph.add_connection("list", "records", "ask", "batch")
    graph.add_connection("list", "records", "join", "rows")
    graph.add_connection("ask", "results", "join", "results")
    graph.add_connection("join", "data", "shape", "rows")
    graph.add_connection("shape", "result.answers", "store", "data")
    run(fill, graph)
    database.close()
    with sqlite3.connect(tmp_path / "letters.db") as connection:
        found = connection.execute("SELECT id, answer FROM answers ORDER BY id").fetchall()
    connection.close()
    assert found == [("1", "mock answer to: Say one"), ("2", "mock answer to: Say two")]
