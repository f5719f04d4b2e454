"""An endpoint to which no connection was ever opened ends the run within ten seconds, with address and reason."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from kaizen_batch import (
    BatchConfig,
    BatchProcessorAgent,
    BatchProgress,
    Completion,
    NoAnswerError,
    Provider,
    ServerError,
)

pytestmark = pytest.mark.looptime(start=0)


def now() -> float:
    return asyncio.get_running_loop().time()


def refused() -> NoAnswerError:
    error = NoAnswerError("the connection to 127.0.0.1 failed: connection refused", code="connection")
    error.may_be_billed = error.connected = False
    return error


class Starting(Provider):
    """Accepts connections from some second on."""

    def __init__(self, from_s: float = float("inf"), then: Any = None) -> None:
        self.from_s, self.then, self.calls = from_s, then, 0

    @property
    def endpoint(self) -> str:
        return "http://127.0.0.1:9/v1"

    async def complete(self, request: Any) -> Completion:
        self.calls += 1
        await asyncio.sleep(0.01)
        if now() < self.from_s:
            raise refused()
        if self.then is not None:
            raise self.then
        return Completion("ok")


@pytest.mark.parametrize("rows", [1, 2, 500])
async def test_a_dead_endpoint_ends_the_run(rows: int) -> None:
    said: list[str | None] = []

    def on_event(event: object) -> None:
        if isinstance(event, BatchProgress):
            said.append(event.waiting_for)

    provider = Starting()
    agent = BatchProcessorAgent(provider=provider, max_concurrent=20, on_event=on_event)
    summary = (await agent.run_batch([f"q{n}" for n in range(rows)])).summary
    assert now() < 10 and provider.calls < 100
    assert (summary.stopped or "").startswith("EndpointDownError: http")
    assert "connection refused" in (summary.stopped or "") and "check base_url" in (summary.stopped or "")
    assert summary.ok == 0 and summary.failed + summary.not_attempted == rows
    assert rows < 2 or any("accept connections" in (text or "") and "refused" in (text or "") for text in said)


async def test_an_endpoint_that_comes_in_time_serves_every_row() -> None:
    provider = Starting(from_s=100)
    agent = BatchProcessorAgent(provider=provider, wait_for_endpoint_s=300, retry={"attempts": 1})
    summary = (await agent.run_batch([f"q{n}" for n in range(50)])).summary
    assert (summary.ok, summary.stopped) == (50, None)
    assert 100 <= now() < 110 and provider.calls < 300


async def test_an_endpoint_that_has_answered_with_an_error_is_there() -> None:
    provider = Starting(from_s=1, then=ServerError("down", status=500))
    agent = BatchProcessorAgent(provider=provider, retry={"attempts": 2})
    summary = (await agent.run_batch(["q1", "q2"])).summary
    assert (summary.failed, summary.stopped) == (2, None)


async def test_a_fallback_takes_over_from_an_endpoint_that_is_not_there() -> None:
    class Both(Provider):
        async def complete(self, request: Any) -> Completion:
            if request.model == "dead":
                raise refused()
            return Completion("ok", model=request.model)

    agent = BatchProcessorAgent(provider=Both(), model="dead", fallbacks=("alive",))
    summary = (await agent.run_batch([f"q{n}" for n in range(10)])).summary
    assert (summary.ok, summary.by_fallbacks) == (10, 10) and now() < 15


@pytest.fixture
def free_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.mark.looptime(False)
@pytest.mark.parametrize("transport", ["auto", "sdk"])
async def test_a_refused_connection_of_either_client_is_known_as_such(free_port: int, transport: str) -> None:
    config = BatchConfig(
        base_url=f"http://127.0.0.1:{free_port}/v1",
        api_key="key",
        wait_for_endpoint_s=0.1,
        provider_options={"transport": transport},
    )
    summary = (await BatchProcessorAgent(config=config).run_batch(["q1", "q2"])).summary
    assert f"http://127.0.0.1:{free_port}/v1 accepts no connection" in (summary.stopped or "")
