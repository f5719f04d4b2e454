"""Items on their way to the agent: templates, failures of earlier nodes, references."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from kailash.sdk_exceptions import NodeValidationError

from kaizen_batch import BatchProcessorAgent, Document, Image, InputField, OutputField, Signature
from kaizen_batch.nodes.items import failure_of
from kaizen_batch.simulator import Simulator
from tests.signature.pictures import png

ERROR = {"type": "ThrottledError", "message": "busy", "code": "slow_down", "retryable": True}
TEXT = {"type": "text", "text": "what is this?"}


class Two(Signature):
    """Two inputs."""

    subject: str = InputField()
    text: str = InputField()
    team: str = OutputField()


def agent_for(simulator: Simulator, **options: Any) -> BatchProcessorAgent:
    return BatchProcessorAgent(endpoint=simulator.base_url, api_key="any", **options)


@pytest.mark.parametrize(
    ("item", "failed"),
    [
        ({"status": "error", "error": ERROR}, True),
        ({"status": "ok", "error": None}, False),
        ({"status": "error", "error": "404"}, False),
        ({"status": "error", "error": {"code": 404}}, False),
        ({"prompt": "x"}, False),
        ("error", False),
        (None, False),
    ],
)
def test_only_a_failed_result_is_one(item: Any, failed: bool) -> None:
    assert failure_of(item) == (ERROR if failed else None)


def test_the_error_of_an_earlier_node_is_passed_on_as_it_is(simulator: Simulator) -> None:
    out = agent_for(simulator).execute(batch=[{"prompt": None, "status": "error", "error": ERROR}, "b"])
    assert [result["error"] for result in out["results"]] == [ERROR, None]
    assert (out["summary"]["failures"], simulator.ledger.calls) == ({"slow_down": 1}, 1)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "https://example.invalid/x.png"}},
        {"type": "image_url", "image_url": {"url": "file:///etc/passwd"}},
        {"type": "input_image", "image_url": "/etc/passwd"},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "document", "path": "secret.pdf"},
        {"type": "image", "url": "data:image/png;base64,AAAA", "headers": {"Authorization": "x"}},
    ],
)
def test_a_reference_fails_its_item_unless_opened(simulator: Simulator, part: dict[str, Any]) -> None:
    batch = [{"prompt": [TEXT, part]}, {"prompt": "plain"}]
    refused, plain = agent_for(simulator).execute(batch=batch)["results"]
    assert (refused["error"]["code"], plain["status"], simulator.ledger.calls) == ("reference_refused", "ok", 1)
    assert "item_references" in refused["error"]["message"]
    assert "passwd" not in refused["error"]["message"]
    opened = agent_for(simulator, runtime_inputs=["item_references"]).execute(batch=batch)["results"][0]
    assert opened["error"] is None or opened["error"]["code"] != "reference_refused"


@pytest.mark.parametrize(
    "prompt",
    [
        "see https://example.invalid/x.png and file:///etc/passwd",
        '{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}',
        [TEXT, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}],
        [{"url": "https://example.invalid", "name": "a row of somebody's data"}],
        [1, "two"],
    ],
    ids=range(5),
)
def test_texts_and_data_are_not_inspected(simulator: Simulator, prompt: Any) -> None:
    [result] = agent_for(simulator).execute(batch=[{"prompt": prompt}])["results"]
    assert (result["error"] or {}).get("code") != "reference_refused"


def test_a_template_for_several_inputs_is_an_error(simulator: Simulator) -> None:
    with pytest.raises(NodeValidationError, match="the signature takes 'subject', 'text'"):
        agent_for(simulator, signature=Two).execute(batch=[{"text": "x"}], template="{text}")
    assert simulator.ledger.calls == 0


class Look(Signature):
    """An image."""

    photo: Image = InputField()
    answer: str = OutputField()


DATA = "data:image/png;base64," + b64encode(png()).decode()
ELSEWHERE: list[Any] = [
    {"photo": "/etc/passwd"},
    {"photo": "https://example.invalid/x.png"},
    {"photo": Image("/etc/passwd")},
    {"photo": {"path": "/etc/passwd"}},
    {"photo": [Image("/etc/passwd")]},
    Image("/etc/passwd"),
    "/etc/passwd",
    {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a.invalid/"}}]}]},
    {"messages": [{"role": "user", "content": [Image("/etc/passwd")]}]},
    {"messages": [{"role": "user", "content": [{"type": "file", "file": Document("/etc/passwd")}]}]},
]


@pytest.mark.parametrize("item", ELSEWHERE, ids=str)
def test_no_item_of_a_graph_makes_this_process_read_a_file(item: Any, simulator: Simulator) -> None:
    [result] = agent_for(simulator, signature=Look).execute(batch=[item])["results"]
    assert result["error"]["code"] == "reference_refused" and simulator.ledger.calls == 0


@pytest.mark.parametrize("item", [{"photo": DATA}, DATA, {"photo": Image(png())}, {"photo": png()}], ids=str)
def test_an_image_inside_of_the_item_is_sent(item: Any, simulator: Simulator) -> None:
    [result] = agent_for(simulator, signature=Look).execute(batch=[item])["results"]
    assert result["status"] == "ok" and simulator.ledger.entries[0].images == 1


def test_the_rows_of_a_file_that_a_graph_names_may_not_read_files_either(simulator: Simulator, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text(json.dumps({"photo": "/etc/passwd"}))
    agent = agent_for(
        simulator, signature=Look, runtime_inputs=("input_path", "output_path"), runtime_folder=str(tmp_path)
    )
    out = agent.execute(input_path="in.jsonl", output_path="out.jsonl")
    assert out["summary"]["failures"] == {"reference_refused": 1} and simulator.ledger.calls == 0


def test_the_author_of_a_node_may_open_references(simulator: Simulator, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    agent = agent_for(simulator, signature=Look, runtime_inputs=("item_references",))
    assert agent.execute(batch=[{"photo": str(tmp_path / "a.png")}])["results"][0]["status"] == "ok"
