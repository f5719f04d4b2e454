"""BatchProcessorAgent: many items through a language model, as a Kailash node and in plain Python."""

from typing import Unpack

from kaizen_batch.agents import ProviderLike
from kaizen_batch.events import EventSink
from kaizen_batch.limits import RateLimits
from kaizen_batch.nodes.base_agent import BaseAgent
from kaizen_batch.nodes.kailash_types import register_node
from kaizen_batch.nodes.node_options import ConfigLike, NodeOptions
from kaizen_batch.signature import ProcessingSignature, Signature, SignatureLike


@register_node()
class BatchProcessorAgent(BaseAgent):
    """Processes many items with a language model, concurrently, in order, within limits.

    >>> agent = BatchProcessorAgent(BatchConfig(llm_provider="mock", max_concurrent=5))
    >>> agent.process_single("Analyze this text")["result"]
    'mock answer to: Analyze this text'

    It is a BaseAgent whose signature is by default ProcessingSignature: `prompt` in, `result` out. BaseAgent describes
    the options, and what the node takes and returns.

    Raises: ConfigError, SignatureError. A missing key is an error when the first run starts, before any call.
    """

    signature: Signature | None

    def __init__(
        self,
        config: ConfigLike | None = None,
        *,
        signature: SignatureLike | str | None = None,
        strategy: object = None,
        provider: ProviderLike | str | None = None,
        limits: RateLimits | None = None,
        on_event: EventSink | None = None,
        **options: Unpack[NodeOptions],
    ) -> None:
        super().__init__(
            config,
            signature=signature,
            strategy=strategy,
            provider=provider,
            limits=limits,
            on_event=on_event,
            **options,
        )
        if self.signature is None:
            self.signature = ProcessingSignature()
