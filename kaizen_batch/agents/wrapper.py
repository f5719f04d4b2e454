"""AgentWrapper: an agent around another one, for those that change a part of it."""

from collections.abc import Awaitable, Sequence
from contextlib import AbstractAsyncContextManager
from copy import copy
from typing import Any

from kaizen_batch.agents.base import Agent, Watcher
from kaizen_batch.config import BatchConfig, BatchSettings, Mode
from kaizen_batch.errors import OutputError
from kaizen_batch.prices import Price
from kaizen_batch.providers import Completion
from kaizen_batch.providers.batch import BatchApi
from kaizen_batch.signature import Signature


class AgentWrapper(Agent):
    """Another agent, except for what a subclass overrides."""

    def __init__(self, agent: Agent) -> None:
        self.wrapped = agent
        self.name: str | None = agent.name
        self.endpoint: str | None = agent.endpoint
        self.endpoint_name: str | None = agent.endpoint_name
        self.price: Price | None = agent.price
        self.output_fields: tuple[str, ...] = agent.output_fields
        self.from_model: bool = agent.from_model
        self.signature: type[Signature] | None = agent.signature
        self.config: BatchConfig | None = agent.config
        self.replicas: Sequence[Agent] = agent.replicas
        self.weight: float = agent.weight
        self.fallbacks: Sequence[Agent] = agent.fallbacks
        self.replays: bool = agent.replays
        self.watcher: Watcher | None = agent.watcher
        self.upstream_limits = agent.upstream_limits

    def prepare(self, inputs: object) -> object:
        """The request of one item."""
        return self.wrapped.prepare(inputs)

    def complete(self, request: object) -> Awaitable[Completion]:
        """One attempt."""
        return self.wrapped.complete(request)

    def parse(self, request: object, completion: Completion) -> dict[str, object]:
        """The outputs of a completion."""
        return self.wrapped.parse(request, completion)

    def parse_stored(self, request: object, completion: Completion) -> dict[str, object]:
        """The outputs of an answer from a journal."""
        return self.wrapped.parse_stored(request, completion)

    def reask(self, request: object, completion: Completion, error: OutputError) -> object:
        """The request for another answer."""
        return self.wrapped.reask(request, completion, error)

    def session(self) -> AbstractAsyncContextManager[object]:
        """The wrapped agent's session."""
        return self.wrapped.session()

    def body(self, request: object) -> bytes:
        """What the answer depends on."""
        return self.wrapped.body(request)

    def canonical(self, request: object) -> bytes:
        """The canonical form of a request."""
        return self.wrapped.canonical(request)

    def row_name(self, inputs: Any) -> str | None:
        """The wrapped agent's name for an item."""
        return self.wrapped.row_name(inputs)

    def batches(self, settings: BatchSettings) -> BatchApi | None:
        """How its requests can be asked in batches."""
        return self.wrapped.batches(settings)

    def batch_body(self, request: object) -> bytes:
        """The request as a batch sends it."""
        return self.wrapped.batch_body(request)

    def in_mode(self, mode: Mode) -> Agent:
        """The same wrapper around the agent that asks in a mode."""
        other = copy(self)
        other.wrapped = self.wrapped.in_mode(mode)
        other.price = other.wrapped.price
        return other

    def size(self, request: object, body: bytes) -> tuple[int, bool]:
        """What bounds the tokens of the input."""
        return self.wrapped.size(request, body)

    @property
    def varies(self) -> bool:  # type: ignore[override]
        """Whether requests may have prices of their own."""
        return self.wrapped.varies

    def price_of(self, request: object) -> Price | None:
        """What a request costs."""
        return self.wrapped.price_of(request)

    def max_output(self, request: object) -> int | None:
        """The most tokens an answer can have."""
        return self.wrapped.max_output(request)

    def keeps_timeout(self, seconds: float | None) -> bool:
        """Whether `complete` ends a call by itself."""
        return self.wrapped.keeps_timeout(seconds)

    def release_idle(self) -> None:
        """No item is left to send."""
        self.wrapped.release_idle()
