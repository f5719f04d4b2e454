"""Behind a Nexus server, over HTTP: whoever sends the request gets answers and no power."""

import asyncio
import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from kailash.workflow.builder import WorkflowBuilder
from nexus import Nexus

import kaizen_batch.nodes  # noqa: F401 - registers the nodes
from kaizen_batch.simulator import Simulator
from tests.nodes.foreign import Foreign

KEY = "sk-of-the-author-4f1d9a77"

# Nexus's own dependencies warn about each other.
pytestmark = [
    pytest.mark.usefixtures("garbage_collected"),
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
    ),
]


@pytest.fixture(scope="module")
def own() -> Iterator[Simulator]:
    """The endpoint of the workflow's author, which wants the author's key."""
    with Simulator(api_key=KEY) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def url(own: Simulator) -> Iterator[str]:
    """Where the workflow is served, on the loopback interface."""
    builder = WorkflowBuilder()
    builder.add_node("BatchProcessorAgent", "agent", {"endpoint": own.base_url, "api_key": KEY})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEXUS_ENV", "development")
        app = Nexus(enable_auth=False, auto_discovery=False, enable_durability=False)
        app.register("ask", builder.build())
        listening = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app.fastapi_app, log_level="error"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/workflows/ask/execute"
        server.should_exit = True
        thread.join(timeout=20)


def post(url: str, **inputs: Any) -> tuple[int, str]:
    """Status and body of one execution, with these inputs of the node `agent`."""
    return post_flat(url, agent=inputs)


def post_flat(url: str, **inputs: Any) -> tuple[int, str]:
    """Status and body of one execution, with these inputs of the workflow, which Nexus passes on to every node."""
    body = json.dumps({"inputs": inputs}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_request_is_answered(url: str) -> None:
    status, body = post(url, batch=["a", "b"], max_concurrent=2)
    results = json.loads(body)["outputs"]["agent"]["results"]
    assert (status, [result["result"] for result in results]) == (200, ["mock answer to: a", "mock answer to: b"])


def test_a_request_cannot_send_the_authors_key_elsewhere(url: str, own: Simulator) -> None:
    before = own.ledger.calls
    with Foreign() as foreign:
        attacks: list[dict[str, Any]] = [
            {"endpoint": foreign.base_url},
            {"base_url": foreign.base_url},
            {"config": {"endpoint": foreign.base_url}},
            {"fallbacks": [{"base_url": foreign.base_url, "api_key_env": "PATH"}], "model": ""},
            {"provider_options": {"base_url": foreign.base_url}},
        ]
        for attack in attacks:
            status, body = post(url, prompt="x", **attack)
            assert status >= 400, attack
            assert KEY not in body
            assert post_flat(url, prompt="x", **attack)[0] >= 400, attack
        assert foreign.requests == []
    assert own.ledger.calls == before


def test_a_request_cannot_touch_files_or_import_modules(url: str, own: Simulator, tmp_path: Path) -> None:
    source, target, journal = tmp_path / "in.csv", tmp_path / "out.jsonl", tmp_path / "run.db"
    source.write_text("prompt\nsecret\n")
    before = own.ledger.calls
    for attack in (
        {"input_path": str(source), "output_path": str(target)},
        {"prompt": "x", "journal": str(journal)},
        {"prompt": "x", "llm_provider": "tests.nodes.spy:Provider"},
        {"prompt": "x", "provider": "tests.nodes.spy:Provider"},
        {"prompt": "x", "signature": "tests.nodes.spy:Signature"},
    ):
        status, _ = post(url, **attack)
        assert status >= 400, attack
    assert ({path.name for path in tmp_path.iterdir()}, own.ledger.calls) == ({"in.csv"}, before)


def test_a_request_cannot_make_the_server_fetch_what_it_names(url: str, own: Simulator) -> None:
    before = own.ledger.calls
    parts = [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/x.png"}}]
    status, body = post(url, batch=[{"prompt": parts}, {"prompt": "see http://127.0.0.1:9/x.png"}])
    refused, plain = json.loads(body)["outputs"]["agent"]["results"]
    assert (status, refused["error"]["code"], plain["status"]) == (200, "reference_refused", "ok")
    assert own.ledger.calls == before + 1


def test_a_request_cannot_raise_a_limit_or_misspell_one(url: str, own: Simulator) -> None:
    before = own.ledger.calls
    for attack in ({"max_concurrent": 1000}, {"max_concurent": 1}):
        assert post(url, prompt="x", **attack)[0] >= 400
        assert post_flat(url, prompt="x", **attack)[0] >= 400
    assert own.ledger.calls == before
