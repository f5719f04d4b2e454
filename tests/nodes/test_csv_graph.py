"""The nodes among Kailash's own: CSV in, CSV out."""

import csv
from pathlib import Path
from typing import Any

import kailash.nodes.data  # noqa: F401 - registers the readers and writers
from kailash.runtime.local import LocalRuntime
from kailash.workflow.builder import WorkflowBuilder

import kaizen_batch.nodes  # noqa: F401 - registers ours
from kaizen_batch.simulator import Simulator
from kaizen_batch.simulator.settings import error_reply


def write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def graph(simulator: Simulator, source: Path, target: Path, **options: Any) -> Any:
    builder = WorkflowBuilder()
    builder.add_node("CSVReaderNode", "read", {"file_path": str(source)})
    builder.add_node("PromptTemplateNode", "prompts", {"template": "Classify: {text}"})
    builder.add_node("BatchProcessorAgent", "ask", {"endpoint": simulator.base_url, "api_key": "any", **options})
    builder.add_node("JoinResultsNode", "join", {})
    builder.add_node("CSVWriterNode", "write", {"file_path": str(target)})
    builder.add_connection("read", "data", "prompts", "data")
    builder.add_connection("prompts", "batch", "ask", "batch")
    builder.add_connection("read", "data", "join", "rows")
    builder.add_connection("ask", "results", "join", "results")
    builder.add_connection("join", "data", "write", "data")
    return builder.build()


def test_a_csv_file_goes_through_the_model_into_another(simulator: Simulator, tmp_path: Path) -> None:
    # Not ${data}: Kailash's own CSVWriterNode replaces that, as it is the name of its input.
    texts = ["an invoice", "see ${batch} and ${rows}", "<script>x</script>", 'a "quoted", comma', "two\nlines", "🙂"]
    rows = [{"id": str(n), "text": text} for n, text in enumerate(texts)]
    write(tmp_path / "in.csv", rows)
    with LocalRuntime(enable_monitoring=False) as runtime:
        results, _ = runtime.execute(graph(simulator, tmp_path / "in.csv", tmp_path / "out.csv"))
    assert results["write"]["rows_written"] == len(rows)
    assert read(tmp_path / "out.csv") == [{**row, "result": f"mock answer to: Classify: {row['text']}"} for row in rows]
    assert results["ask"]["summary"]["ok"] == simulator.ledger.billed == len(rows)


def test_a_failed_row_stands_apart_and_the_others_are_written(simulator: Simulator, tmp_path: Path) -> None:
    write(tmp_path / "in.csv", [{"text": "bad"}, {"text": "good"}])
    simulator.reply_with(error_reply(400, "invalid_value", "no"))
    with LocalRuntime(enable_monitoring=False) as runtime:
        results, _ = runtime.execute(graph(simulator, tmp_path / "in.csv", tmp_path / "out.csv", max_concurrent=1))
    assert [row["text"] for row in read(tmp_path / "out.csv")] == ["good"]
    assert [(row["text"], row["error_code"]) for row in results["join"]["failed_rows"]] == [("bad", "invalid_value")]


def test_the_template_can_be_given_at_run_time(simulator: Simulator, tmp_path: Path) -> None:
    write(tmp_path / "in.csv", [{"text": "x"}])
    workflow = graph(simulator, tmp_path / "in.csv", tmp_path / "out.csv")
    with LocalRuntime(enable_monitoring=False) as runtime:
        runtime.execute(workflow, parameters={"prompts": {"template": "Shout: {text}"}})
    assert simulator.bodies[0]["messages"][-1]["content"] == "Shout: x"
