"""AgentWrapper: it keeps all that it does not override."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from kaizen_batch.agents import Agent, AgentWrapper, create_agent
from kaizen_batch.config import BatchConfig, BatchSettings
from kaizen_batch.errors import InvalidOutputError
from kaizen_batch.providers import Completion
from tests.agents.test_base import Shout


def public_members() -> list[str]:
    return [name for name in {**vars(Agent), **Agent.__annotations__} if not name.startswith("_")]


async def test_a_wrapper_has_every_member_of_the_agent_it_wraps() -> None:
    """A member that is added to Agent and forgotten in the wrapper would silently fall back to its default."""
    agent = create_agent(
        BatchConfig(llm_provider="mock", fallbacks=("other",), max_tokens=9, price={"input": 1, "output": 2})
    )
    wrapper = AgentWrapper(agent)
    request = wrapper.prepare("hi")
    arguments: dict[str, tuple[Any, ...]] = {
        "prepare": ("hi",),
        "body": (request,),
        "canonical": (request,),
        "row_name": ("hi",),
        "max_output": (request,),
        "keeps_timeout": (1.0,),
        "parse": (request, Completion(text="x")),
        "parse_stored": (request, Completion(text="x")),
        "batch_body": (request,),
        "price_of": (request,),
        "size": (request, b"body"),
        "batches": (BatchSettings(),),
        "reask": (request, Completion(text="x"), InvalidOutputError("no")),
    }
    for name in public_members():
        ours, theirs = getattr(wrapper, name), getattr(agent, name)
        if name in arguments:
            assert ours(*arguments[name]) == theirs(*arguments[name]), name
        elif name not in ("complete", "session", "release_idle", "in_mode"):
            assert ours == theirs, name


async def test_a_wrapper_completes_within_the_session_of_the_agent_it_wraps() -> None:
    class Counted(Shout):
        open = 0

        @asynccontextmanager
        async def session(self) -> AsyncIterator[None]:
            self.open += 1
            yield
            self.open -= 1

    agent = Counted()
    wrapper = AgentWrapper(agent)
    async with wrapper.session():
        assert agent.open == 1
        assert (await wrapper.complete("HI")).text == "HI"
    assert agent.open == 0
