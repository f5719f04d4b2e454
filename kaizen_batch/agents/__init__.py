"""Agents: what the engine runs. A model behind a signature, or any async function."""

from kaizen_batch.agents.base import (
    Agent,
    FunctionAgent,
    ModelAgent,
    SmallAgent,
    as_agent,
    create_agent,
    parsed,
    prepared,
    session_of,
)

__all__ = [
    "Agent",
    "FunctionAgent",
    "ModelAgent",
    "SmallAgent",
    "as_agent",
    "create_agent",
    "parsed",
    "prepared",
    "session_of",
]
