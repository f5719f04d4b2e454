"""Shared parts of the workflows: configurations, input files, and how a run ends."""

from pathlib import Path

import click
import pytest
from kailash.workflow.builder import WorkflowBuilder

import kaizen_batch.nodes  # noqa: F401 - registers the agent
from kaizen_batch.workflows.graph import execute, fresh, model_config, prepared


def test_the_mock_takes_its_latency_and_openai_needs_a_key() -> None:
    assert model_config("mock", max_concurrent=3).provider_options == {"latency_s": 0.01}
    with pytest.raises(click.ClickException, match="no API key: set OPENAI_API_KEY"):
        model_config("openai")
    assert model_config("openai", base_url="http://127.0.0.1:1/v1").api_key is None


def test_a_wrong_option_is_a_click_error() -> None:
    with pytest.raises(click.ClickException, match="'max_concurrent' is invalid"):
        model_config("mock", max_concurrent=0)


def test_the_sample_is_copied_and_an_input_of_the_user_is_left_alone(tmp_path: Path) -> None:
    sample = prepared("documents.csv", None, tmp_path / "out")
    assert sample == tmp_path / "out" / "documents.csv"
    assert sample.read_text(encoding="utf-8").startswith("id,title,text")
    (tmp_path / "documents.csv").write_bytes("title,text\né,x\n".encode("utf-8-sig"))
    mine = prepared("documents.csv", tmp_path / "documents.csv", tmp_path / "out")
    assert mine.name == "input_documents.csv"
    assert mine.read_bytes() == "title,text\né,x\n".encode()


def test_outputs_of_an_earlier_run_are_removed(tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_text("stale")
    assert fresh(tmp_path, "old.csv", "new.csv") == [tmp_path / "old.csv", tmp_path / "new.csv"]
    assert not (tmp_path / "old.csv").exists()


def test_a_stopped_run_is_one_clear_line() -> None:
    workflow = WorkflowBuilder()
    options = {"llm_provider": "mock", "provider_options": {"failures": {401: 1.0}}, "batch": ["a", "b"]}
    workflow.add_node("BatchProcessorAgent", "agent", options)
    with pytest.raises(click.ClickException, match="the run ended early: AuthenticationError"):
        execute(workflow)
