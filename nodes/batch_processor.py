"""BatchProcessorAgent: many items through a language model, as a Kailash node and in plain Python."""

from typing import Any, Unpack

from kaizen_batch.agents import ProviderLike, create_agent
from kaizen_batch.config import BatchConfig
from kaizen_batch.errors import ConfigError
from kaizen_batch.events import EventSink
from kaizen_batch.nodes.base_agent import BaseAgent, NodeOptions
from kaizen_batch.nodes.base_node import declared
from kaizen_batch.nodes.kailash_types import NodeParameter, register_node
from kaizen_batch.providers import check_provider_name, import_object
from kaizen_batch.signature import ProcessingSignature, SignatureLike, as_signature


class AgentOptions(NodeOptions, total=False):
    """The options of BatchProcessorAgent as one dict."""

    signature: SignatureLike | str | None
    provider: ProviderLike | str | None


@register_node()
class BatchProcessorAgent(BaseAgent):
    """Pushes many items through a language model, concurrently, in order, within limits.

    >>> agent = BatchProcessorAgent(BatchConfig(llm_provider="mock", max_concurrent=5))
    >>> agent.process_single("Analyze this text")["result"]
    'mock answer to: Analyze this text'

    `signature` is a Signature, a pydantic model of the outputs, or the import path of one ("package.module:Name");
    default: `prompt` in, `result` out. `provider` takes the place of `llm_provider`: a Provider, its class, an
    async function, or an import path. `on_event` is told of everything that happens.

    Raises: ConfigError, SignatureError. A missing key is an error when the first run starts, before any call.
    """

    def __init__(
        self,
        config: BatchConfig | AgentOptions | None = None,
        *,
        signature: SignatureLike | str | None = None,
        provider: ProviderLike | str | None = None,
        on_event: EventSink | None = None,
        **options: Unpack[NodeOptions],
    ) -> None:
        if isinstance(config, dict):
            config = config.copy()
            signature = config.pop("signature", None) if signature is None else signature
            provider = config.pop("provider", None) if provider is None else provider
        found = import_object(signature) if isinstance(signature, str) else signature
        self.signature = as_signature(found) if found is not None else ProcessingSignature
        self._signature = found
        self._provider = import_object(provider) if isinstance(provider, str) else provider
        self._engine_agent: Any = None
        super().__init__(config, on_event=on_event, **options)
        if self._provider is None:
            check_provider_name(self.batch_config.llm_provider)
        # By import path where there is one, so that a serialised workflow stays plain JSON.
        self.config.update({k: _by_path(v) for k, v in (("signature", found), ("provider", self._provider)) if v})

    def get_parameters(self) -> dict[str, NodeParameter]:
        """The inputs and options of every agent, and `signature` and `provider`."""
        more = {
            "signature": "a Signature or its import path",
            "provider": "a Provider, a function, or its path",
        }
        return {**super().get_parameters(), **declared(more)}

    async def run_async(self, **inputs: Any) -> dict[str, Any]:
        """The result of one item, as `process_single` gives it."""
        return await self._single(inputs)

    async def async_run(self, signature: Any = None, provider: Any = None, **inputs: Any) -> dict[str, Any]:
        """Run the batch, the one prompt or the file that the graph hands over."""
        for name, value in (("signature", signature), ("provider", provider)):
            if value is not None and value != self.config.get(name):
                raise ConfigError(f"{name} is fixed when the node is made; it was given again at run time")
        return await super().async_run(**inputs)

    def _agent(self, config: BatchConfig) -> Any:
        if type(self).run_async is not BatchProcessorAgent.run_async:
            return super()._agent(config)  # a subclass that does the work itself
        if config is not self.batch_config:
            return create_agent(config, self._signature, self._provider)
        # Made at the first run, not in the constructor: Kailash constructs a node several times in each build.
        if self._engine_agent is None:
            self._engine_agent = create_agent(config, self._signature, self._provider)
        return self._engine_agent


def _by_path(thing: Any) -> Any:
    path = f"{getattr(thing, '__module__', '')}:{getattr(thing, '__qualname__', '')}"
    try:
        return path if import_object(path) is thing else thing
    except ConfigError:  # a local class, a closure, an instance
        return thing
