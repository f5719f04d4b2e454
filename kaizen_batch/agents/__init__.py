"""Agents: what the engine runs. A model behind a signature, or any async function."""

from kaizen_batch.agents.base import Agent, Loading, limits_of, prepared
from kaizen_batch.agents.batch_item import BatchItem
from kaizen_batch.agents.function import AgentLike, FunctionAgent, SmallAgent, as_agent
from kaizen_batch.agents.model import ModelAgent, ProviderLike, create_agent
from kaizen_batch.agents.wrapper import AgentWrapper

__all__ = [
    "Agent",
    "AgentLike",
    "AgentWrapper",
    "BatchItem",
    "FunctionAgent",
    "Loading",
    "ModelAgent",
    "ProviderLike",
    "SmallAgent",
    "as_agent",
    "create_agent",
    "limits_of",
    "prepared",
]
