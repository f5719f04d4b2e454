"""Agents of kailash-kaizen, which are recognized without importing it.

An agent of kaizen has `run_async`, which works only with `use_async_llm=True`; otherwise it has the synchronous `run`.
Both call the agent's strategy: `run_async` -> `strategy.execute` -> the model. So a strategy of ours in such an agent
must not call `run_async` again, but do what kaizen's own strategy for one call does.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any

_THREADS = 256


def is_kaizen_agent(thing: object) -> bool:
    """Whether this is an agent of kailash-kaizen."""
    return any(
        base.__module__ == "kaizen.core.base_agent" and base.__name__ == "BaseAgent" for base in type(thing).__mro__
    )


def is_synchronous(agent: Any) -> bool:
    """Whether an agent of kaizen can only be called by `run`."""
    return not getattr(agent.config, "use_async_llm", False)


class Threaded:
    """Calls the `run` of an agent in threads, 256 at most.

    A call in a thread cannot be cancelled: when the run ends or the call times out, its answer is lost, and the call
    counts as unanswered.
    """

    def __init__(self, agent: Any) -> None:
        self._run = agent.run
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="kaizen")  # its threads end with this object

    async def run_async(self, **inputs: Any) -> dict[str, Any]:
        """The dict that `run` returns."""
        call = partial(copy_context().run, self._run, **inputs)
        result: dict[str, Any] = await asyncio.get_running_loop().run_in_executor(self._pool, call)
        return result


async def execute_once(agent: Any, inputs: Any) -> Any:
    """One call to the model, as kaizen's own strategy makes it."""
    from kaizen.strategies.async_single_shot import AsyncSingleShotStrategy

    return await AsyncSingleShotStrategy().execute(agent, inputs)
