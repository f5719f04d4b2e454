"""Agents that break the rules of asyncio, or their own protocol: the run still keeps its guarantees."""

import asyncio
import json
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from kaizen_batch import BatchConfig, BatchError, Completion, Journal, MockProvider, ParallelBatchStrategy, Usage
from kaizen_batch.agents import create_agent

pytestmark = pytest.mark.looptime(start=0)


class KeepsItsCancellation:
    """Answers, or fails in its own way, when it is cancelled; counts its calls."""

    def __init__(self, failure: Exception | None = None, raises_on: int | None = None) -> None:
        self.failure = failure
        self.raises_on = raises_on
        self.calls = 0

    async def run_async(self, item: int) -> dict[str, Any]:
        self.calls += 1
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            if self.failure is not None:
                raise self.failure from None
        if item == self.raises_on:
            raise ValueError("bad item")
        return {"item": item}


def rows(number: int = 1_000) -> list[dict[str, Any]]:
    return [{"item": item} for item in range(number)]


@pytest.mark.parametrize("failure", [None, ConnectionError("torn")])
async def test_an_agent_that_swallows_its_cancellation_makes_no_call_after_the_end(failure: Exception | None) -> None:
    agent = KeepsItsCancellation(failure)
    run = ParallelBatchStrategy(3).stream(agent, rows())
    await anext(aiter(run))
    before = agent.calls
    await run.aclose()
    assert agent.calls == before
    assert len(asyncio.all_tasks()) == 1


async def test_an_agent_that_keeps_its_cancellation_makes_no_call_after_another_item_ended_the_run() -> None:
    agent = KeepsItsCancellation(raises_on=2)
    with pytest.raises(BatchError, match="item 2 failed"):
        await ParallelBatchStrategy(3, on_error="raise").execute_batch(agent, rows())
    assert agent.calls <= 6
    assert len(asyncio.all_tasks()) == 1


class Steps:
    """A full agent, one of whose steps raises for one item."""

    endpoint, name, output_fields = "here", "steps", ("item",)

    def __init__(self, step: str = "", error: BaseException | None = None) -> None:
        self._step = step
        self._error = error

    def _raise(self, step: str, item: int) -> None:
        if self._error is not None and step == self._step and item == 2:
            raise self._error

    def prepare(self, inputs: Any) -> Any:
        self._raise("prepare", inputs)
        return inputs

    def body(self, request: Any) -> bytes:
        return json.dumps(request).encode()

    async def complete(self, request: Any) -> Completion:
        self._raise("complete", request)
        return Completion(text=str(request))

    def parse(self, request: Any, completion: Completion) -> dict[str, Any]:
        self._raise("parse", request)
        return {"item": request}


@pytest.mark.parametrize("step", ["prepare", "complete", "parse"])
async def test_a_step_that_cancels_itself_fails_only_its_item(step: str) -> None:
    results = await ParallelBatchStrategy(2).execute_batch(Steps(step, asyncio.CancelledError()), range(5))
    assert [result["index"] for result in results] == list(range(5))
    assert [result["error"]["code"] for result in results if result["error"]] == ["cancelled"]


async def test_a_parse_that_fails_on_an_answer_from_the_journal_fails_only_its_item(tmp_path: Path) -> None:
    strategy = ParallelBatchStrategy(2, journal=tmp_path / "run.db")
    await strategy.execute_batch(Steps(), range(5))
    results = await strategy.execute_batch(Steps("parse", KeyError("label")), range(5))
    assert [result["status"] for result in results] == ["ok", "ok", "error", "ok", "ok"]
    assert results[2]["error"]["code"] == "agent_failed"


async def test_a_body_that_is_not_text_fails_its_item(tmp_path: Path) -> None:
    class Binary(Steps):
        def body(self, request: Any) -> bytes:
            return b"\xff\xfe"

    [result] = await ParallelBatchStrategy(2, journal=tmp_path / "run.db").execute_batch(Binary(), [1])
    assert result["status"] == "error"


@pytest.mark.parametrize(
    "wrong", [{"text": 5}, {"finish_reason": ["stop"]}, {"model": {}}, {"refusal": b""}, {"usage": Usage(2**70, 1)}]
)
async def test_an_answer_that_the_journal_cannot_hold_fails_only_its_item(tmp_path: Path, wrong: Any) -> None:
    class Wrong(Steps):
        async def complete(self, request: Any) -> Completion:
            return Completion(**{"text": "x", **(wrong if request == 2 else {})})

    strategy = ParallelBatchStrategy(2, journal=tmp_path / "run.db")
    results = await strategy.execute_batch(Wrong(), range(5))
    assert [result["status"] for result in results] == ["ok", "ok", "error", "ok", "ok"]
    assert results[2]["error"]["type"] == "AgentError"
    assert Journal(tmp_path / "run.db").count()["in_flight"] == 0


class Team(BaseModel):
    team: Literal["billing"]


async def test_an_answer_that_could_not_be_parsed_keeps_the_name_of_its_model() -> None:
    config = BatchConfig(llm_provider="mock", model="first", fallbacks=({"model": "second"},))

    def answer(request: Any) -> str:
        if request.model == "second":
            raise ValueError("no such luck")
        return "no JSON"

    agent = create_agent(config, Team, MockProvider(answer=answer))
    [result] = await ParallelBatchStrategy(1, max_reasks=0).execute_batch(agent, ["x"])
    assert (result["response"], result["answered_by"]) == ("no JSON", "first")
