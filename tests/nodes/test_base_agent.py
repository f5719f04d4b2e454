"""BaseAgent: from file to file, in workflows and alone; BatchProcessorAgent is one."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from kailash.runtime.async_local import AsyncLocalRuntime
from kailash.runtime.local import LocalRuntime
from kailash.sdk_exceptions import NodeValidationError
from kailash.workflow.builder import WorkflowBuilder
from kailash.workflow.graph import Workflow

import kaizen_batch.nodes  # noqa: F401 - registers the nodes
from kaizen_batch import BatchFinished, BatchProcessorAgent, FileJob, open_records, progress_sink, record_writer
from kaizen_batch.nodes import BaseAgent

MOCK = {"llm_provider": "mock", "max_concurrent": 5}


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, Any]:
    """A file of ten rows, and the node's inputs for it."""
    with record_writer(tmp_path / "in.csv") as writer:
        for number in range(10):
            writer.write({"id": number, "text": f"see ${{batch}} and ${{input_path}} {number}"})
    where = {"input_path": str(tmp_path / "in.csv"), "output_path": str(tmp_path / "out.jsonl")}
    return {**where, "template": "Say {text}"}


def node(**options: Any) -> Workflow:
    builder = WorkflowBuilder()
    builder.add_node("BatchProcessorAgent", "ask", {**MOCK, **options})
    return builder.build()


def execute(workflow: Workflow, **inputs: Any) -> dict[str, Any]:
    with LocalRuntime(enable_monitoring=False) as runtime:
        outputs, _ = runtime.execute(workflow, parameters={"ask": inputs})
    return outputs["ask"]  # type: ignore[no-any-return]


def assert_answered(paths: dict[str, Any], out: dict[str, Any]) -> None:
    with open_records(paths["output_path"]) as records:
        answers = [row["result"] for row in records]
    assert answers == [f"mock answer to: Say see ${{batch}} and ${{input_path}} {n}" for n in range(10)]
    assert set(out) == {"results", "summary"}
    assert out["results"] == []
    told = {name: out["summary"][name] for name in ("output_path", "failed_path", "rows_read", "rows_failed", "ok")}
    assert told == {
        "output_path": paths["output_path"], "failed_path": None, "rows_read": 10, "rows_failed": 0, "ok": 10
    }  # fmt: skip
    assert json.loads(json.dumps(out)) == out


def test_a_file_goes_in_and_out_by_the_nodes_configuration(
    paths: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    assert_answered(paths, execute(node(**paths)))
    loud = [r for r in caplog.records if r.levelno >= logging.WARNING and "durable.tenant" not in r.getMessage()]
    assert [r.getMessage() for r in loud] == []


def open_node(paths: dict[str, Any], **options: Any) -> Workflow:
    """A node whose paths may be given at run time, in the folder of these."""
    folder = str(Path(paths["input_path"]).parent)
    return node(runtime_inputs=["input_path", "output_path"], runtime_folder=folder, **options)


def test_a_file_goes_in_and_out_by_run_time_parameters(paths: dict[str, Any]) -> None:
    assert_answered(paths, execute(open_node(paths), **paths))
    assert_answered(paths, execute(open_node(paths, input_path="elsewhere.csv"), **paths, max_concurrent=2))


@pytest.mark.filterwarnings("ignore:Instance-based API usage detected:UserWarning")
def test_a_file_goes_in_and_out_of_an_instance(paths: dict[str, Any]) -> None:
    builder = WorkflowBuilder()
    builder.add_node_instance(BatchProcessorAgent(**MOCK, **paths), "ask")
    assert_answered(paths, execute(builder.build()))


async def test_the_async_runtime_runs_it(paths: dict[str, Any]) -> None:
    async with AsyncLocalRuntime(execution_timeout=0) as runtime:
        outputs, _ = await runtime.execute_workflow_async(open_node(paths), inputs={"ask": paths})
    assert_answered(paths, outputs["ask"])


def test_it_survives_serialization(paths: dict[str, Any], tmp_path: Path) -> None:
    text = json.dumps(node(**paths, journal=str(tmp_path / "run.db")).to_dict())
    config = json.loads(text)["nodes"]["ask"]["config"]
    assert {name: config[name] for name in paths} == paths
    out = execute(Workflow.from_dict(json.loads(text)))
    assert_answered(paths, out)
    again = execute(Workflow.from_dict(json.loads(text)))
    assert (again["summary"]["calls"], again["summary"]["from_journal"]) == (0, 10)


def test_failed_rows_are_named(paths: dict[str, Any], tmp_path: Path) -> None:
    out = execute(node(**paths, provider_options={"failures": {"400": 1.0}}, retry={"attempts": 1}))
    assert out["summary"]["failed_path"] == str(tmp_path / "out.failed.csv")
    assert (out["summary"]["rows_written"], out["summary"]["rows_failed"]) == (0, 10)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"batch": ["a"], "input_path": "in.csv", "output_path": "o.csv"}, "given: batch and input_path"),
        ({"prompt": "a", "input_path": "in.csv", "output_path": "o.csv"}, "given: prompt and input_path"),
        ({"input_path": "in.csv"}, "`input_path` and `output_path`, the file"),
        ({"output_path": "o.csv"}, "go together"),
        ({"prompt": "a", "template": "Say {text}"}, "`template` goes with `batch` or `input_path`"),
        ({"input_path": "in.csv", "output_path": "o.csv", "template": "no place"}, "no {column}"),
        ({"input_path": "in.xyz", "output_path": "o.csv"}, "does not say the format"),
        ({"input_path": 7, "output_path": "o.csv"}, "is given by its path"),
    ],
)
def test_wrong_inputs_are_an_error_that_names_them(inputs: dict[str, Any], said: str) -> None:
    with pytest.raises(NodeValidationError) as caught:
        BatchProcessorAgent(**MOCK, **inputs).execute()
    assert said in str(caught.value)


def test_a_missing_file_fails_the_node_in_one_line(paths: dict[str, Any]) -> None:
    out = execute(node(**{**paths, "input_path": "/nowhere/in.csv"}))
    assert out["failed"] is True
    assert "there is no file '/nowhere/in.csv'" in out["error"]


async def test_an_agent_runs_a_job_outside_of_a_graph(paths: dict[str, Any]) -> None:
    told: list[Any] = []
    agent = BatchProcessorAgent(**MOCK, on_event=told.append)
    result = await agent.run_job(FileJob(paths["input_path"], paths["output_path"], template=paths["template"]))
    assert (result.rows_written, agent.performance()["items"], agent.performance()["in_flight"]) == (10, 10, 0)
    assert isinstance(told[-1], BatchFinished)


async def test_nobody_makes_events_of_calls_that_no_sink_wants(
    paths: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(**_: Any) -> None:
        raise AssertionError("an event that nobody wants")

    monkeypatch.setattr("kaizen_batch.engine.calls.CallFinished", made)
    agent = BatchProcessorAgent(**MOCK, on_event=progress_sink("none"))
    job = FileJob(paths["input_path"], paths["output_path"], template=paths["template"])
    assert (await agent.run_job(job)).rows_written == 10


class Count(BaseAgent):
    """An agent of the user's own."""

    async def run_async(self, text: str, **_: Any) -> dict[str, Any]:
        return {"length": len(text)}


def test_an_agent_of_ones_own_takes_the_rows_as_they_are(paths: dict[str, Any]) -> None:
    del paths["template"]
    assert Count(**paths).execute()["summary"]["rows_written"] == 10
    with open_records(paths["output_path"]) as records:
        assert next(records)["length"] == len("see ${batch} and ${input_path} 0")


def test_progress_reaches_the_runtimes_registry(paths: dict[str, Any]) -> None:
    seen: list[Any] = []
    with LocalRuntime(enable_monitoring=False) as runtime:
        runtime.progress_registry.register(seen.append)
        runtime.execute(node(**paths))
    assert (seen[-1].node_id, seen[-1].current, seen[-1].total) == ("ask", 10, 10)
