"""ModelAgent: a language model behind a signature."""

from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from msgspec.structs import replace

from kaizen_batch.agents.base import Agent, Loading
from kaizen_batch.agents.batch_item import BatchItem, merged, own_model
from kaizen_batch.agents.function import AgentLike, as_agent
from kaizen_batch.agents.keys import frame_of
from kaizen_batch.agents.prices import input_size, list_price, tier_of
from kaizen_batch.agents.structured import IgnoredSchema, output_of, why_empty, why_truncated
from kaizen_batch.config import BatchConfig, BatchSettings, Mode
from kaizen_batch.errors import (
    ConfigError,
    EmptyOutputError,
    InvalidOutputError,
    OutputError,
    RefusedOutputError,
    TruncatedOutputError,
)
from kaizen_batch.journal.canonical import body_form
from kaizen_batch.prices import Price
from kaizen_batch.providers import (
    Completion,
    Parameters,
    Provider,
    Request,
    configure_provider,
    create_provider,
)
from kaizen_batch.providers.batch import BatchApi, HasBatches
from kaizen_batch.results.texts.terminal import printable
from kaizen_batch.signature import ProcessingSignature, Signature, SignatureLike, as_signature
from kaizen_batch.signature.media import PendingMessages, loaded


class ModelAgent(Agent):
    """Asks a model through a provider and reads its answers through a signature.

    >>> agent = ModelAgent(BatchConfig(llm_provider="mock"), ProcessingSignature, MockProvider())
    """

    signature: type[Signature]
    config: BatchConfig

    def __init__(self, config: BatchConfig, signature: type[Signature], provider: Provider) -> None:
        self.signature = signature
        self.provider = provider
        self.output_fields: tuple[str, ...] = signature.output_fields()
        self.config = config
        self.name: str = config.model
        self.endpoint: str = provider.endpoint
        self.endpoint_name: str = config.endpoint_name or provider.endpoint
        self.price: Price | None = config.price or list_price(provider, config.model, tier_of(config.parameters))
        self.replicas: list[ModelAgent] = []
        self.fallbacks: list[ModelAgent] = []
        self.varies: bool = False
        self.takes_model: bool = True
        self.takes_parameters: bool = True
        self._output = output_of(signature, config)
        self._unread = IgnoredSchema(provider, config)
        parameters = Parameters.of(config.parameters) if config.parameters else None
        asked = "temperature" in config.model_fields_set
        self._before = config.model, config.temperature, config.max_tokens
        self._after = self._output, parameters, asked

    def body(self, request: Request) -> bytes:
        """The request as the provider sends it."""
        return self.provider.body(request)

    def batch_body(self, request: Request) -> bytes:
        """The request as a batch sends it."""
        return self.provider.batch_body(request)

    def batches(self, settings: BatchSettings) -> BatchApi | None:
        """Those of the provider, if it has any."""
        return self.provider.batches(settings) if isinstance(self.provider, HasBatches) else None

    def in_mode(self, mode: Mode) -> "ModelAgent":
        """With "flex" the agent that asks at that service tier, with the same connections and limits."""
        if mode != "flex":
            return self
        config = self.config.with_options(parameters={**self.config.parameters, "service_tier": "flex"})
        other = type(self)(config, self.signature, self.provider)
        other.upstream_limits, other.watcher = self.upstream_limits, self.watcher
        other.fallbacks = self.fallbacks
        return other

    def canonical(self, request: Request) -> bytes:
        """The canonical form of a request: the question, without how it is sent."""
        if not self.provider.standard_body:
            return body_form(self.endpoint_name, self.provider.body(request), temperature=request.temperature)
        frame = frame_of(self.endpoint_name, request)
        return frame.around(request.messages)

    def keeps_timeout(self, seconds: float | None) -> bool:
        """Whether the provider ends a call after this many seconds."""
        return self.provider.keeps_timeout(seconds)

    def size(self, request: Request | None, body: bytes) -> tuple[int, bool]:
        """The bytes of the texts and the tokens of the images; what nothing bounds, by the model's context window."""
        return input_size(request, body, self.config)

    def max_output(self, request: Request | None) -> int | None:
        """`max_tokens` of the config."""
        return self.config.max_tokens

    def release_idle(self) -> None:
        """No item is left to send: the providers may close idle connections."""
        for agent in self._all():
            agent.provider.release_idle()

    def _all(self) -> "Iterator[ModelAgent]":
        for agent in (self, *self.fallbacks):
            yield agent
            yield from agent.replicas

    @asynccontextmanager
    async def session(self) -> AsyncIterator[None]:
        """The sessions of all providers."""
        async with AsyncExitStack() as stack:
            for agent in self._all():
                await stack.enter_async_context(agent.provider.session())
            yield

    def prepare(self, inputs: object) -> Request | Loading:
        """Render one item. Raises: InputError if it does not fit the signature."""
        if type(inputs) is BatchItem:
            return self._overridden(inputs)
        messages = self.signature.messages(inputs, self.config.system_prompt)
        model, temperature, max_tokens = self._before
        output, parameters, asked = self._after
        request = Request(model, messages, temperature, max_tokens, output, parameters, asked)
        if type(messages) is PendingMessages:
            return Loading(lambda: replace(request, messages=loaded(messages)))
        return request

    def _overridden(self, item: BatchItem) -> Request | Loading:
        """The request of an item with a model or parameters of its own."""
        self.varies = True
        model = own_model(item) if self.takes_model else None
        request = self.prepare(item.inputs)
        parameters = merged(item, self._after[1]) if self.takes_parameters else self._after[1]
        if isinstance(request, Loading):
            read = request.read
            return Loading(lambda: replace(read(), model=model or self._before[0], parameters=parameters))
        return replace(request, model=model or request.model, parameters=parameters)

    def price_of(self, request: Request) -> Price | None:
        """What the model of a request costs at its service tier."""
        if request.model == self.config.model and request.parameters == self._after[1]:
            return self.price
        tier = tier_of(None if request.parameters is None else request.parameters.values)
        own = request.model == self.config.model and tier == tier_of(self.config.parameters)
        return self.price if own else list_price(self.provider, request.model, tier)

    def complete(self, request: Request) -> Awaitable[Completion]:
        """Send one call."""
        return self.provider.complete(request)

    def parse(self, request: Request, completion: Completion) -> dict[str, object]:
        """Read the outputs.

        Raises: OutputError for a refusal, or an answer that is empty, cut off or does not fit; the completion's own
        error if its generation failed.
        """
        text, end = completion.text or "", completion.finish_reason
        if end != "stop" or completion.refusal is not None or completion.error is not None or not text.strip():
            self._check_end(request, completion)
        if request.output is None:
            return self.signature.parse(text)
        try:
            outputs = self.signature.parse(text)
        except InvalidOutputError as error:
            raise self._unread.judged(error, text) from None
        self._unread.obeyed()
        return outputs

    def parse_stored(self, request: Request, completion: Completion) -> dict[str, object]:
        """Read the outputs of an answer in a journal, also where an earlier release judged it less strictly."""
        text = completion.text or ""
        self._check_end(request, completion)
        try:
            return self.signature.parse(text)
        except InvalidOutputError:
            if completion.finish_reason != "stop" or not text:
                raise
            return self.signature.parse_stored(text)

    def reask(self, request: Request, completion: Completion, error: OutputError) -> Request:
        """The request with the answer that does not fit, and one line that says why."""
        text = completion.text
        if request.output is None or not text or not isinstance(error, InvalidOutputError):
            return request
        said = {"role": "assistant", "content": text}
        why = " ".join(printable(error.message).split())
        again = {"role": "user", "content": f"{why}. Answer again, with JSON alone that fits."}
        return replace(request, messages=[*request.messages, said, again])

    def _check_end(self, request: Request, completion: Completion) -> None:
        """Raise what follows from the way in which the model ended."""
        if completion.error is not None:
            raise completion.error
        if completion.finish_reason == "content_filter":
            why = f": {completion.refusal}" if completion.refusal else ""
            raise RefusedOutputError(f"a content filter stopped the answer{why}", code="content_filter")
        if completion.refusal is not None:
            raise RefusedOutputError(f"the model refused: {completion.refusal}")
        text = (completion.text or "").strip()
        if completion.finish_reason == "length":
            self._check_length(request, text)
        if not text and self.config.on_empty == "fail":
            raise EmptyOutputError(why_empty(completion))

    def _check_length(self, request: Request, text: str) -> None:
        if not text or request.output is not None or self.config.on_truncated == "fail":
            error = TruncatedOutputError(why_truncated(request, text))
            raise error if request.output is None else self._unread.judged(error, text)


ProviderLike = Provider | type[Provider] | AgentLike
"""What `create_agent` puts behind a signature, or runs by itself."""


def create_agent(
    config: BatchConfig, signature: SignatureLike | None = None, provider: ProviderLike | None = None
) -> Agent:
    """The agent for a config: a model behind a signature, or the function that stands in for a provider.

    `provider` (default: what `config.llm_provider` names) is a Provider, a Provider class, an agent or an async
    function. Raises: ConfigError, SignatureError.
    """
    if _is_fleet(config, provider):
        return _fleet(config, as_signature(signature or ProcessingSignature), provider)
    if provider is None:
        provider = create_provider(config)
    if isinstance(provider, type) and issubclass(provider, Provider):
        provider = configure_provider(provider, config)
    if isinstance(provider, Provider):
        return _model_agent(config, as_signature(signature or ProcessingSignature), provider)
    if signature is not None:
        raise ConfigError("a function returns its own outputs: leave out signature, or pass a Provider")
    return as_agent(provider)


def _model_agent(config: BatchConfig, signature: type[Signature], provider: Provider) -> ModelAgent:
    agent = ModelAgent(config, signature, provider)
    for other in config.fallback_configs():
        # Another model at the same endpoint shares the provider, and so its connections.
        same = _provider_options(other) == _provider_options(config)
        fallback = _fallback_of(other, signature, provider if same else None)
        fallback.takes_model, fallback.takes_parameters = False, same
        agent.fallbacks.append(fallback)
    return agent


def _fallback_of(config: BatchConfig, signature: type[Signature], provider: Provider | None) -> ModelAgent:
    if isinstance(config.base_url, tuple):
        return _fleet(config, signature, None)
    provider = provider or create_provider(config)
    if not isinstance(provider, Provider):
        raise ConfigError(f"a fallback is a model: llm_provider={config.llm_provider!r} names no Provider")
    return ModelAgent(config, signature, provider)


def _is_fleet(config: BatchConfig, provider: ProviderLike | None) -> bool:
    return isinstance(config.base_url, tuple) and (provider is None or isinstance(provider, type))


def _fleet(config: BatchConfig, signature: type[Signature], provider: ProviderLike | None) -> ModelAgent:
    """The agent of several endpoints: each is a replica of it."""
    served = [create_agent(each, signature, provider) for each in config.endpoint_configs()]
    replicas = [agent for agent in served if isinstance(agent, ModelAgent)]
    if len(replicas) < len(served):
        raise ConfigError("several base_url need a provider, and llm_provider names a function, which has no endpoint")
    assert isinstance(config.base_url, tuple)
    for agent, endpoint in zip(replicas, config.base_url, strict=True):
        agent.weight = endpoint.weight
    agent = ModelAgent(config, signature, replicas[0].provider)
    agent.endpoint = ", ".join(replica.endpoint for replica in replicas)
    agent.replicas = replicas
    agent.fallbacks = [_fallback_of(other, signature, None) for other in config.fallback_configs()]
    return agent


def _provider_options(config: BatchConfig) -> tuple[Any, ...]:
    return config.llm_provider, config.base_url, config.api_key, config.provider_options, config.headers
