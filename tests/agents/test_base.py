"""Agent: three steps are enough."""

from typing import Any

import pytest

from kaizen_batch.agents import Agent
from kaizen_batch.errors import InputError
from kaizen_batch.providers import Completion


class Shout(Agent):
    def prepare(self, inputs: Any) -> Any:
        return inputs.upper()

    async def complete(self, request: Any) -> Completion:
        return Completion(text=request)

    def parse(self, request: Any, completion: Completion) -> dict[str, Any]:
        return {"loud": completion.text}


def test_an_agent_without_a_step_cannot_be_made() -> None:
    class NoParse(Agent):
        def prepare(self, inputs: Any) -> Any:
            return inputs

        async def complete(self, request: Any) -> Completion:
            return Completion()

    with pytest.raises(TypeError, match="parse"):
        NoParse()  # type: ignore[abstract]


async def test_everything_but_the_steps_has_a_default() -> None:
    agent = Shout()
    assert (agent.name, agent.endpoint, agent.price, agent.signature, agent.config) == (None,) * 5
    assert (agent.output_fields, agent.fallbacks, agent.from_model) == ((), (), True)
    assert (agent.max_output(None), agent.keeps_timeout(1.0)) == (None, False)
    async with agent.session():
        pass


def test_the_default_body_is_canonical_json() -> None:
    assert Shout().body({"b": 1, "a": [2]}) == b'{"a": [2], "b": 1}'
    for request in (object(), float("nan")):
        with pytest.raises(InputError, match="JSON"):
            Shout().body(request)
