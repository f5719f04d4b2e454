"""The Kailash plugin. Importing it registers BatchProcessorAgent, PromptTemplateNode and JoinResultsNode."""

from kaizen_batch.nodes.base_agent import BaseAgent
from kaizen_batch.nodes.batch_processor import BatchProcessorAgent
from kaizen_batch.nodes.join_results import JoinResultsNode
from kaizen_batch.nodes.node_options import AgentOptions, NodeOptions
from kaizen_batch.nodes.prompt_template import PromptTemplateNode

__all__ = ["AgentOptions", "BaseAgent", "BatchProcessorAgent", "JoinResultsNode", "NodeOptions", "PromptTemplateNode"]
