"""`Agent`: what the engine runs, and what an agent may say about itself."""

import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from kaizen_batch.config import BatchConfig, BatchSettings, Mode
from kaizen_batch.errors import InputError, OutputError
from kaizen_batch.events import EventSink
from kaizen_batch.journal.canonical import body_form
from kaizen_batch.limits import AdaptiveConcurrencyLimiter, ConcurrencyLimiter, RateLimiter, UpstreamLimits
from kaizen_batch.metrics import RunMetrics
from kaizen_batch.prices import Price
from kaizen_batch.providers import Completion
from kaizen_batch.providers.batch import BatchApi
from kaizen_batch.results import Outputs
from kaizen_batch.signature import Signature

Watcher = Callable[[RunMetrics], Sequence[EventSink]]

_creating = threading.Lock()


@dataclass(frozen=True, slots=True)
class Loading:
    """A request whose files have yet to be read: `read` does that, takes time, and raises InputError."""

    read: Callable[[], Any]


def prepared(agent: "Agent", inputs: object) -> Any:
    """The whole request of an item, for synchronous code. Raises: InputError."""
    request = agent.prepare(inputs)
    return request.read() if isinstance(request, Loading) else request


class Agent(ABC):
    """Turns one item into a request, the request into a completion, and the completion into outputs.

    >>> class Shout(Agent):
    ...     def prepare(self, inputs):
    ...         return inputs.upper()
    ...     async def complete(self, request):
    ...         return Completion(text=request)
    ...     def parse(self, request, completion):
    ...         return {"loud": completion.text}

    Only `complete` may cost anything. Every other member has a default; override what applies:

    - `name`: the model's name, `answered_by` in results.
    - `endpoint`: where the calls go; a journal needs it.
    - `endpoint_name`: what a journal calls the endpoint, in the key of each request (default: `endpoint`).
    - `price`: what a call costs; a budget needs it, and `max_output`.
    - `output_fields`: the names that a failed item's result has, with the value None.
    - `from_model`: whether results have `response`, `usage`, `cost_usd` and the other fields of a model's answer.
    - `signature`, `config`: the Signature and the BatchConfig it was made from, if there are such.
    - `lists_rows`: whether a journal keeps a list of the items, as rows of an input, with the outcome of each.
    - `replicas`: agents that serve the same requests at other endpoints, each with its `weight`: calls go to them.
    - `keeps_inputs`: whether a run keeps the inputs of an item until its result is read, for `BatchRun.inputs`.
    - `fallbacks`: agents for the items that this one cannot serve.
    - `replays`: whether a run only reads its journal: nothing is sent, and what failed before stays failed.
    - `watcher`: called when a run of this agent begins, with the figures that the run will keep; returns the sinks that
      want the run's events.
    """

    name: str | None = None
    endpoint: str | None = None
    endpoint_name: str | None = None
    price: Price | None = None
    output_fields: tuple[str, ...] = ()
    from_model: bool = True
    signature: type[Signature] | None = None
    config: BatchConfig | None = None
    replicas: "Sequence[Agent]" = ()
    weight: float = 1.0
    fallbacks: "Sequence[Agent]" = ()
    lists_rows: bool = False
    replays: bool = False
    keeps_inputs: bool = False
    watcher: Watcher | None = None
    _upstream_limits: UpstreamLimits | None = None

    @property
    def upstream_limits(self) -> UpstreamLimits:
        """The limits that hold over all runs of this instance, and what they have learned; made on first use."""
        with _creating:
            if self._upstream_limits is None:
                self._upstream_limits = limits_of(self.config)
            return self._upstream_limits

    @upstream_limits.setter
    def upstream_limits(self, limits: UpstreamLimits) -> None:
        self._upstream_limits = limits

    @abstractmethod
    def prepare(self, inputs: Any) -> Any:
        """Turn one item into a request, or into a Loading that gives it.

        Raises InputError for an item that does not fit; no call is made.
        """

    @abstractmethod
    def complete(self, request: Any) -> Awaitable[Completion]:
        """Make one attempt. Raises errors of `kaizen_batch.errors`, which the retry policy judges."""

    @abstractmethod
    def parse(self, request: Any, completion: Completion) -> Outputs:
        """Read the outputs. Raises OutputError for a completion that cannot be used."""

    def batches(self, settings: BatchSettings) -> BatchApi | None:
        """How its requests can be asked in batches at a lower price; by default they cannot."""
        return None

    def batch_body(self, request: Any) -> bytes:
        """The request as a batch sends it."""
        return self.body(request)

    def in_mode(self, mode: Mode) -> "Agent":
        """The agent that asks in a mode, at its price; by default there is one mode, and it is this agent."""
        return self

    def parse_stored(self, request: Any, completion: Completion) -> Outputs:
        """Read the outputs of an answer in a journal, which an earlier release has accepted; by default `parse`."""
        return self.parse(request, completion)

    def reask(self, request: Any, completion: Completion, error: OutputError) -> Any:
        """The request for another answer, after this one could not be used; by default the same again."""
        return request

    def session(self) -> AbstractAsyncContextManager[object]:
        """What a run holds open while it lasts, such as a connection pool; by default nothing."""
        return nullcontext()

    def body(self, request: Any) -> bytes:
        """Everything that the answer depends on: part of the request's key, and what bounds its tokens.

        By default the request as JSON. Raises: InputError for a request that is not JSON.
        """
        try:
            return json.dumps(request, sort_keys=True, allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            raise InputError(f"a journal or a token limit needs a request that is JSON: {error}") from None

    def canonical(self, request: Any) -> bytes:
        """The canonical form of a request, whose SHA-256 is its key in a journal; see docs/resuming.md."""
        return body_form(self.endpoint_name or self.endpoint or "", self.body(request))

    def row_name(self, inputs: Any) -> str | None:
        """The user's own name for an item, in the journal's list of rows; None if it has none."""
        return None

    def size(self, request: Any, body: bytes) -> tuple[int, bool]:
        """What bounds the tokens of the input, and whether it does; by default the bytes of the body."""
        return len(body), True

    varies: bool = False
    """Whether requests may have prices of their own; `price_of` then knows them."""

    def price_of(self, request: Any) -> Price | None:
        """What a request costs; by default what all cost."""
        return self.price

    def max_output(self, request: Any) -> int | None:
        """The most tokens an answer can have; None if nothing bounds them. `request` None asks for any request."""
        return None

    def keeps_timeout(self, seconds: float | None) -> bool:
        """Whether `complete` itself ends a call after this many seconds; if not, the engine does."""
        return False

    def release_idle(self) -> None:  # noqa: B027 - by default nothing is kept open
        """A run has no item left to send: what is kept open for further calls may be closed. Once in a session."""


def limits_of(config: BatchConfig | None) -> UpstreamLimits:
    """The limits that a config sets for all runs of its agent; without a config there are none."""
    if config is None:
        return UpstreamLimits()
    # Of several endpoints, each adapts by itself.
    adapts = config.adaptive and not isinstance(config.base_url, tuple)
    limiter = AdaptiveConcurrencyLimiter if adapts else ConcurrencyLimiter
    rate = RateLimiter(config.rate_limits, pacing=config.pacing, counts_from=config.rate_counts_from)
    limits = UpstreamLimits(limiter(config.max_concurrent), rate)
    limits.ceiling_is_explicit = "max_concurrent" in config.model_fields_set
    return limits
