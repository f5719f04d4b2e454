"""The nodes among Kailash's own, in the shapes that graphs have, on both runtimes."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import kailash.nodes.api
import kailash.nodes.data
import kailash.nodes.logic
import kailash.nodes.transform  # noqa: F401 - registers Kailash's nodes
import pandas
import pytest
from kailash.nodes.logic import WorkflowNode
from kailash.runtime.async_local import AsyncLocalRuntime
from kailash.runtime.local import LocalRuntime
from kailash.sdk_exceptions import RuntimeExecutionError, WorkflowExecutionError
from kailash.workflow.builder import WorkflowBuilder
from kailash.workflow.graph import Workflow

from kaizen_batch import BatchProcessorAgent, IncompleteRunError
from kaizen_batch.simulator import Simulator
from kaizen_batch.simulator.settings import error_reply

Run = Callable[..., dict[str, Any]]

# Kailash's nodes and its connection pools are not always closed in time.
pytestmark = [
    pytest.mark.usefixtures("garbage_collected"),
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


def locally(workflow: Workflow, **inputs: dict[str, Any]) -> dict[str, Any]:
    """LocalRuntime."""
    with LocalRuntime(enable_monitoring=False) as runtime:
        results, _ = runtime.execute(workflow, parameters=inputs)
    return results  # type: ignore[no-any-return]


def asynchronously(workflow: Workflow, **inputs: dict[str, Any]) -> dict[str, Any]:
    """AsyncLocalRuntime."""

    async def main() -> dict[str, Any]:
        async with AsyncLocalRuntime(execution_timeout=0) as runtime:
            results, _ = await runtime.execute_workflow_async(workflow, inputs=inputs)
        return results  # type: ignore[no-any-return]

    return asyncio.run(main())


both = pytest.mark.parametrize("run", [locally, asynchronously])


class Graph(WorkflowBuilder):
    """A builder whose agents ask the simulator."""

    def __init__(self, simulator: Simulator) -> None:
        super().__init__()
        self._options = {"endpoint": simulator.base_url, "api_key": "any", "retry": {"attempts": 1}}

    def agent(self, name: str, **options: Any) -> None:
        self.add_node("BatchProcessorAgent", name, {**self._options, **options})

    def connect(self, *connections: str) -> Workflow:
        """Connections as "node.output node.input"; returns the workflow."""
        for each in connections:
            source, target = (end.partition(".") for end in each.split())
            self.add_connection(source[0], source[2], target[0], target[2])
        return self.build()


def answers(outputs: dict[str, Any]) -> list[Any]:
    return [result["result"] for result in outputs["results"]]


def csv_file(path: Path, *texts: str) -> str:
    path.write_text("id,text\n" + "".join(f"{number},{text}\n" for number, text in enumerate(texts)))
    return str(path)


# Rows in, rows out.


@both
def test_rows_and_a_template_need_no_node_between(simulator: Simulator, run: Run, tmp_path: Path) -> None:
    graph = Graph(simulator)
    graph.add_node("CSVReaderNode", "read", {"file_path": csv_file(tmp_path / "in.csv", "one", "two ${batch}")})
    graph.agent("ask", template="Say {text}")
    graph.add_node("JoinResultsNode", "join", {"prefix": "said_"})
    graph.add_node("CSVWriterNode", "write", {"file_path": str(tmp_path / "out.csv")})
    workflow = graph.connect("read.data ask.batch", "read.data join.rows", "ask.results join.results",
                             "join.data write.data")  # fmt: skip
    assert run(workflow)["write"]["rows_written"] == 2
    assert (tmp_path / "out.csv").read_text().splitlines() == [
        "id,text,said_result",
        "0,one,mock answer to: Say one",
        "1,two ${batch},mock answer to: Say two ${batch}",
    ]


@both
def test_a_template_that_names_no_column_fails_before_any_call(simulator: Simulator, run: Run) -> None:
    graph = Graph(simulator)
    graph.agent("ask", template="Say {txet}", batch=[{"text": "x"}])
    graph.add_node("JoinResultsNode", "join", {"rows": [{"text": "x"}]})
    with pytest.raises((RuntimeExecutionError, WorkflowExecutionError), match="did you mean 'text'"):
        run(graph.connect("ask.results join.results"))
    assert simulator.ledger.calls == 0


@both
def test_a_row_that_lacks_a_column_fails_alone(simulator: Simulator, run: Run) -> None:
    graph = Graph(simulator)
    graph.agent("ask", template="Say {text}", batch=[{"text": "x"}, {"txet": "y"}, "z"])
    results = run(graph.build())["ask"]["results"]
    assert [result["status"] for result in results] == ["ok", "error", "error"]
    assert {result["error"]["code"] for result in results[1:]} == {"invalid_input"}
    assert simulator.ledger.calls == 1


def generator() -> Any:
    yield from ("a", "b")


async def asynchronous() -> AsyncIterator[str]:
    for text in ("a", "b"):
        yield text


@both
@pytest.mark.parametrize(
    "batch", [generator, asynchronous, lambda: iter(["a", "b"]), lambda: dict.fromkeys("ab").keys()]
)
def test_any_iterable_is_a_batch(simulator: Simulator, run: Run, batch: Callable[[], Any]) -> None:
    graph = Graph(simulator)
    graph.agent("ask")
    assert answers(run(graph.build(), ask={"batch": batch()})["ask"]) == ["mock answer to: a", "mock answer to: b"]


@both
def test_the_rows_of_a_dataframe_are_a_batch(simulator: Simulator, run: Run) -> None:
    frame = pandas.DataFrame({"text": ["one", "two"]})
    graph = Graph(simulator)
    graph.agent("ask", template="Say {text}")
    graph.add_node("JoinResultsNode", "join")
    results = run(graph.connect("ask.results join.results"), ask={"batch": frame}, join={"rows": frame})
    assert [row["result"] for row in results["join"]["data"]] == [
        "mock answer to: Say one",
        "mock answer to: Say two",
    ]


@both
def test_python_code_in(simulator: Simulator, run: Run) -> None:
    graph = Graph(simulator)
    graph.add_node("PythonCodeNode", "make", {"code": "result = [{'text': f'number {n}'} for n in range(3)]"})
    graph.agent("ask", template="Say {text}")
    graph.add_node("JoinResultsNode", "join")
    graph.add_node("PromptTemplateNode", "prompts", {"template": "{text}"})
    results = run(graph.connect("make.result ask.batch", "make.result join.rows", "ask.results join.results",
                                "make.result prompts.data"))  # fmt: skip
    assert results["join"]["data"][2] == {"text": "number 2", "result": "mock answer to: Say number 2"}
    assert results["prompts"]["batch"][0] == {"prompt": "number 0"}


@both
def test_a_text_reader_in(simulator: Simulator, run: Run, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("the whole text")
    graph = Graph(simulator)
    graph.add_node("TextReaderNode", "read", {"file_path": str(tmp_path / "in.txt")})
    graph.agent("ask")
    assert answers(run(graph.connect("read.text ask.prompt"))["ask"]) == ["mock answer to: the whole text"]


@both
def test_a_directory_reader_in(simulator: Simulator, run: Run, tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(name)
    graph = Graph(simulator)
    graph.add_node("DirectoryReaderNode", "list", {"directory_path": str(tmp_path)})
    graph.agent("ask", template="Judge the name {file_name}")
    results = run(graph.connect("list.discovered_files ask.batch"))
    assert sorted(answers(results["ask"])) == [f"mock answer to: Judge the name {name}" for name in ("a.txt", "b.txt")]


@both
def test_sql_in_and_out(simulator: Simulator, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "rows.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE tickets (id INTEGER, text TEXT)")
        database.execute("CREATE TABLE answers (answer TEXT)")
        database.executemany("INSERT INTO tickets VALUES (?, ?)", [(1, "one"), (2, "two")])
    database.close()
    graph = Graph(simulator)
    where = {"connection_string": f"sqlite:///{path}"}
    graph.add_node("SQLDatabaseNode", "read", {**where, "query": "SELECT id, text FROM tickets ORDER BY id"})
    graph.agent("ask", template="Say {text}")
    graph.add_node("PythonCodeNode", "bind", {"code": "result = {'parameters': [results[0]['result']]}"})
    graph.add_node("SQLDatabaseNode", "write", {**where, "query": "INSERT INTO answers VALUES (?)"})
    run(graph.connect("read.data ask.batch", "ask.results bind.results", "bind.result.parameters write.parameters"))
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT answer FROM answers").fetchall() == [("mock answer to: Say one",)]
    database.close()


@both
def test_an_http_request_beside(simulator: Simulator, run: Run) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Words) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        graph = Graph(simulator)
        url = f"http://127.0.0.1:{server.server_port}/words"
        graph.add_node("HTTPRequestNode", "fetch", {"url": url, "method": "GET", "response_format": "json"})
        graph.agent("ask")
        graph.agent("own", prompt="something else")
        results = run(graph.connect("fetch.response.content ask.batch"))
        server.shutdown()
    assert answers(results["ask"]) == ["mock answer to: red", "mock answer to: blue"]
    assert answers(results["own"]) == ["mock answer to: something else"]


class Words(BaseHTTPRequestHandler):
    """Two words as JSON."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'["red", "blue"]')

    def log_message(self, *args: Any) -> None:
        """Keep quiet."""


# Agents in a chain.


@both
def test_a_row_that_failed_in_one_agent_is_not_asked_in_the_next(simulator: Simulator, run: Run) -> None:
    simulator.reply_with(error_reply(400, "too_rude", "no"))
    graph = Graph(simulator)
    graph.agent("first", batch=["bad", "good"], max_concurrent=1)
    graph.agent("second", template="Translate: {result}")
    graph.add_node("JoinResultsNode", "join", {"prefix": "translated_"})
    results = run(graph.connect("first.results second.batch", "first.results join.rows", "second.results join.results"))
    first, second = results["first"]["results"][0], results["second"]["results"][0]
    assert (second["status"], second["error"], second["attempts"]) == ("error", first["error"], 0)
    assert results["second"]["summary"]["calls"] == 1
    assert simulator.ledger.calls == 3
    assert results["join"]["data"] == [
        {"result": "mock answer to: good", "translated_result": "mock answer to: Translate: mock answer to: good"}
    ]
    [failed] = results["join"]["failed_rows"]
    assert failed["error_code"] == "too_rude"


@both
def test_a_failed_row_passes_a_prompt_template_node(simulator: Simulator, run: Run) -> None:
    simulator.reply_with(error_reply(400, "too_rude", "no"))
    graph = Graph(simulator)
    graph.agent("first", batch=["bad", "good"], max_concurrent=1)
    graph.add_node("PromptTemplateNode", "prompts", {"template": "Translate: {result}"})
    graph.agent("second")
    results = run(graph.connect("first.results prompts.data", "prompts.batch second.batch"))
    assert results["prompts"]["batch"][0]["prompt"] is None
    assert [(r["status"], (r["error"] or {}).get("code")) for r in results["second"]["results"]] == [
        ("error", "too_rude"),
        ("ok", None),
    ]
    assert simulator.ledger.calls == 3


@both
def test_two_agents_write_to_the_same_rows(simulator: Simulator, run: Run, tmp_path: Path) -> None:
    graph = Graph(simulator)
    graph.add_node("CSVReaderNode", "read", {"file_path": csv_file(tmp_path / "in.csv", "one")})
    graph.agent("summarize", template="Summarize {text}")
    graph.add_node("JoinResultsNode", "summaries", {"prefix": "summary_"})
    graph.agent("name", template="Name {summary_result}")
    graph.add_node("JoinResultsNode", "names", {"prefix": "name_"})
    results = run(graph.connect(
        "read.data summarize.batch", "read.data summaries.rows", "summarize.results summaries.results",
        "summaries.data name.batch", "summaries.data names.rows", "name.results names.results",
    ))  # fmt: skip
    assert results["names"]["data"] == [{
        "id": "0", "text": "one", "summary_result": "mock answer to: Summarize one",
        "name_result": "mock answer to: Name mock answer to: Summarize one",
    }]  # fmt: skip


# Branches, merges, cycles, workflows in workflows.


@both
def test_fan_out_and_merge(simulator: Simulator, run: Run, tmp_path: Path) -> None:
    graph = Graph(simulator)
    graph.add_node("CSVReaderNode", "read", {"file_path": csv_file(tmp_path / "in.csv", "one", "two")})
    graph.agent("praise", template="Praise {text}")
    graph.agent("blame", template="Blame {text}")
    graph.add_node("MergeNode", "merge", {"merge_type": "concat"})
    results = run(graph.connect("read.data praise.batch", "read.data blame.batch", "praise.results merge.data1",
                                "blame.results merge.data2"))  # fmt: skip
    merged = results["merge"]["merged_data"]
    assert [each["result"].split()[3] for each in merged] == ["Praise", "Praise", "Blame", "Blame"]


@both
def test_a_switch_chooses_the_agent(simulator: Simulator, run: Run) -> None:
    graph = Graph(simulator)
    data = {"kind": "short", "texts": ["a", "b"]}
    switch = {"condition_field": "kind", "operator": "==", "value": "short", "input_data": data}
    graph.add_node("SwitchNode", "choose", switch)
    graph.agent("short")
    graph.agent("long")
    results = run(graph.connect("choose.true_output.texts short.batch", "choose.false_output.texts long.batch"))
    assert answers(results["short"]) == ["mock answer to: a", "mock answer to: b"]
    assert not (results.get("long") or {}).get("results")
    assert simulator.ledger.calls == 2


@both
def test_a_filter_between_agents(simulator: Simulator, run: Run) -> None:
    graph = Graph(simulator)
    graph.agent("first", batch=["keep me", "drop me"])
    graph.add_node("FilterNode", "filter", {"field": "result", "operator": "contains", "value": "keep"})
    graph.agent("second", template="Again: {result}")
    results = run(graph.connect("first.results filter.data", "filter.filtered_data second.batch"))
    assert answers(results["second"]) == ["mock answer to: Again: mock answer to: keep me"]


@both
def test_a_workflow_in_a_workflow(simulator: Simulator, run: Run) -> None:
    inner = Graph(simulator)
    inner.agent("ask")
    graph = Graph(simulator)
    mapping = {"texts": {"node": "ask", "parameter": "batch", "type": list, "required": True}}
    outputs = {"answers": {"node": "ask", "output": "results", "type": list}}
    node = WorkflowNode(workflow=inner.build(), input_mapping=mapping, output_mapping=outputs)
    with pytest.warns(UserWarning, match="Instance-based"):
        graph.add_node_instance(node, "inner")
    graph.agent("outer", template="Again: {result}")
    results = run(graph.connect("inner.answers outer.batch"), inner={"texts": ["a"]})
    assert answers(results["outer"]) == ["mock answer to: Again: mock answer to: a"]


def test_a_cycle_until_it_converges(simulator: Simulator) -> None:
    """Kailash runs cycles on LocalRuntime; it passes a node its own configuration as run-time inputs there."""
    graph = Graph(simulator)
    code = """
answers = [each['result'] for each in results] if results else []
text = answers[0] if answers else 'start'
result = {'batch': [text], 'quality': min(1.0, len(text) / 60)}
"""
    graph.add_node("PythonCodeNode", "improve", {"code": code})
    graph.agent("ask")
    graph.add_connection("improve", "result.batch", "ask", "batch")
    workflow = graph.build()
    cycle = workflow.create_cycle("until_long")
    cycle.connect("ask", "improve", {"results": "results"}).max_iterations(20).converge_when("quality >= 1.0").build()
    with LocalRuntime(enable_monitoring=False, enable_cycles=True) as runtime:
        results, _ = runtime.execute(workflow, parameters={"improve": {"results": []}})
    assert 2 <= simulator.ledger.calls < 10
    assert answers(results["ask"])[0].startswith("mock answer to: mock answer to: ")


# Runs that end early.


@both
def test_a_run_that_ended_early_can_fail_the_node(simulator: Simulator, run: Run) -> None:
    simulator.reply_with(*[error_reply(401, "invalid_api_key")] * 10)
    graph = Graph(simulator)
    graph.agent("ask", batch=["a", "b", "c"], on_stop="raise", max_concurrent=1)
    graph.add_node("JoinResultsNode", "join", {"rows": [{}, {}, {}]})
    with pytest.raises((RuntimeExecutionError, WorkflowExecutionError)) as caught:
        run(graph.connect("ask.results join.results"))
    error: BaseException | None = caught.value
    while error is not None and not isinstance(error, IncompleteRunError):
        error = error.__cause__
    assert isinstance(error, IncompleteRunError)
    assert [result["status"] for result in error.results] == ["error"] * 3
    assert (error.summary.not_attempted, error.code) == (2, "run_incomplete")


@both
def test_by_default_it_returns_what_there_is(simulator: Simulator, run: Run) -> None:
    simulator.reply_with(*[error_reply(401, "invalid_api_key")] * 10)
    graph = Graph(simulator)
    graph.agent("ask", batch=["a", "b"], max_concurrent=1)
    out = run(graph.build())["ask"]
    assert (len(out["results"]), bool(out["summary"]["stopped"])) == (2, True)


# The node as a workflow.


@both
def test_an_agent_is_a_workflow(simulator: Simulator, run: Run) -> None:
    agent = BatchProcessorAgent(endpoint=simulator.base_url, api_key="any", batch=["a"])
    assert answers(run(agent.to_workflow().build())["agent"]) == ["mock answer to: a"]
    assert answers(run(agent.to_workflow("mine").build())["mine"]) == ["mock answer to: a"]
