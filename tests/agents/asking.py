"""One item through an agent, without an engine."""

from typing import Any


async def outputs_of(agent: Any, item: Any) -> dict[str, Any]:
    """What the agent makes of the item."""
    request = agent.prepare(item)
    result: dict[str, Any] = agent.parse(request, await agent.complete(request))
    return result
