"""An item: its request, how a completion becomes outputs, and what the journal can hold."""

import asyncio
from typing import Any

import pytest

from kaizen_batch import AgentError, Completion, InputError, Usage
from kaizen_batch.agents import Agent
from tests.engine.runs import item_of, run_state
from tests.engine.spies import model_agent


class Scripted(Agent):
    """An agent whose steps raise or return what the test says."""

    name = "scripted"

    def __init__(self, prepare: Any = None, parse: Any = None) -> None:
        self.steps = {"prepare": prepare, "parse": parse}

    def _step(self, name: str) -> Any:
        step = self.steps[name]
        if isinstance(step, BaseException):
            raise step
        return step

    def prepare(self, inputs: Any) -> Any:
        return self._step("prepare")

    async def complete(self, request: Any) -> Completion:
        return Completion(text="x")

    def parse(self, request: Any, completion: Completion) -> Any:
        return self._step("parse")


def test_the_request_is_that_of_the_agent() -> None:
    item = item_of(run_state(), "hello")
    item.prepare()
    assert item.request.prompt == "hello"


def test_what_the_agent_raises_is_passed_on() -> None:
    item = item_of(run_state(), {"wrong": 1})
    with pytest.raises(InputError, match="'prompt' is missing"):
        item.prepare()


@pytest.mark.parametrize("step", ["prepare", "parse"])
def test_a_step_that_cancels_itself_is_an_error_of_the_item(step: str) -> None:
    item = item_of(run_state(Scripted(**{step: asyncio.CancelledError()})))
    with pytest.raises(AgentError, match=f"{step} was cancelled from within") as caught:
        item.prepare() if step == "prepare" else item.parse(Completion(text="x"))
    assert caught.value.code == "cancelled"


def test_outputs_that_are_not_a_dict_are_an_error_of_the_agent() -> None:
    with pytest.raises(AgentError, match="parse must return a dict; it returned a list"):
        item_of(run_state(Scripted(parse=[]))).parse(Completion(text="x"))


def test_an_accepted_completion_stays_with_the_item() -> None:
    item = item_of(run_state(model_agent()))
    item.prepare()
    assert item.accept(Completion(text="yes")) == {"result": "yes"}
    assert (item.completion, item.answered_by) == (Completion(text="yes"), item.upstream.name)


@pytest.mark.parametrize(
    "completion",
    [Completion(text=7), Completion(text="x", model=b"m"), Completion(text="x", finish_reason=1)],  # type: ignore[arg-type]
)
def test_a_text_that_is_not_a_text_cannot_be_kept(completion: Completion) -> None:
    item = item_of(run_state())
    item.completion = completion
    with pytest.raises(AgentError, match="must be texts or None"):
        item.answer()


def test_a_count_beyond_64_bits_cannot_be_kept() -> None:
    item = item_of(run_state())
    item.completion, item.usage = Completion(text="x"), Usage(2**63, 0)
    with pytest.raises(AgentError, match="must not be above"):
        item.answer()
