"""What an agent is, and the two that ship with the engine: a model behind a signature, and any async function."""

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

from kaizen_batch.config import BatchConfig
from kaizen_batch.errors import (
    AgentError,
    ConfigError,
    InputError,
    RefusedOutputError,
    TruncatedOutputError,
)
from kaizen_batch.prices import Price
from kaizen_batch.providers import Completion, OutputSchema, Provider, Request, configure_provider, create_provider
from kaizen_batch.results import ENVELOPE
from kaizen_batch.signature import ProcessingSignature, Signature, as_signature

_SAME_PROVIDER = ("llm_provider", "base_url", "api_key", "provider_options")


@runtime_checkable
class Agent(Protocol):
    """The full protocol: three steps, of which only the middle one costs anything.

    It may also have `session()`, an async context manager that a run holds open while it lasts,
    `output_fields`, the names that a failed item's result has as None, `name`, what `answered_by` says, and
    `fallbacks`, agents for the items that this one cannot serve. A journal needs `endpoint` and `body(request)`,
    which make the key of a request; a budget needs `price`, a Price, and `max_output(request)`, tokens. One whose
    calls end by themselves in time says so by `keeps_timeout(seconds)`.
    """

    def prepare(self, inputs: Any) -> Any:
        """Turn one item into a request. Raises InputError for an item that does not fit; no call is made."""

    async def complete(self, request: Any) -> Completion:
        """Make one attempt. Raises errors of this package, which the retry policy judges."""

    def parse(self, request: Any, completion: Completion) -> dict[str, Any]:
        """Read the outputs. Raises OutputError when there is an answer that cannot be used."""


@runtime_checkable
class SmallAgent(Protocol):
    """The small protocol, which any foreign agent has: inputs in, a dict out."""

    async def run_async(self, **inputs: Any) -> dict[str, Any]:
        """Do the work for one item."""


class ModelAgent:
    """Asks a model through a provider and reads the answers through a signature.

    >>> agent = ModelAgent(BatchConfig(llm_provider="mock"), ProcessingSignature, MockProvider())
    """

    from_model = True

    def __init__(self, config: BatchConfig, signature: type[Signature], provider: Provider) -> None:
        self.signature = signature
        self.provider = provider
        self.output_fields = signature.output_fields()
        self.config = config
        self.name = config.model
        self.fallbacks: list[ModelAgent] = []
        schema = signature.json_schema()
        self._output = OutputSchema(signature.__name__, schema) if schema else None
        self._parameters = config.model, config.temperature, config.max_tokens

    @property
    def endpoint(self) -> str:
        """Where requests go."""
        return self.provider.endpoint

    @cached_property
    def price(self) -> Price | None:
        """What the model costs, None if that is unknown."""
        return self.config.price or self.provider.price(self.config.model)

    def body(self, request: Request) -> bytes:
        """The request as it goes over the wire."""
        return self.provider.body(request)

    def keeps_timeout(self, seconds: float | None) -> bool:
        """Whether a call ends by itself so many seconds after it was sent."""
        return self.provider.keeps_timeout(seconds)

    def max_output(self, request: Request | None) -> int | None:
        """Tokens of an answer at most, None if nothing bounds them."""
        return self.config.max_tokens

    @asynccontextmanager
    async def session(self) -> AsyncIterator[None]:
        """The session of the provider, and of those of the fallbacks."""
        async with AsyncExitStack() as stack:
            for agent in (self, *self.fallbacks):
                await stack.enter_async_context(agent.provider.session())
            yield

    def prepare(self, inputs: Any) -> Request:
        """Render one item; raises InputError if it does not fit the signature."""
        messages = self.signature.messages(inputs, self.config.system_prompt)
        model, temperature, max_tokens = self._parameters
        return Request(model, messages, temperature, max_tokens, self._output)

    def complete(self, request: Request) -> Coroutine[Any, Any, Completion]:
        """One attempt over the wire."""
        return self.provider.complete(request)

    def parse(self, request: Request, completion: Completion) -> dict[str, Any]:
        """The outputs of an answer; raises OutputError for a refusal, a cut or an answer that does not fit."""
        text = completion.text or ""
        if completion.refusal is not None:
            raise RefusedOutputError(f"the model refused: {completion.refusal}")
        if completion.finish_reason == "content_filter":
            raise RefusedOutputError("a content filter stopped the answer", code="content_filter")
        cut = completion.finish_reason == "length"
        if cut and (request.output is not None or not text):
            raise TruncatedOutputError(
                f"the answer was cut off at max_tokens={request.max_tokens} and cannot be read; raise max_tokens"
            )
        return self.signature.parse(text)


_TELLING = {*ENVELOPE, "success"}  # keys that are not just outputs

Arguments = tuple[tuple[Any, ...], dict[str, Any]]
"""Positional and keyword arguments of a call."""


class FunctionAgent:
    """Wraps an agent that has `run_async(**inputs)`, or an async function, into the full protocol.

    An item that is a dict becomes keyword arguments, as far as the function takes them; any other item becomes
    `run_async(prompt=item)`, or the function's one positional argument. A value that is not a dict becomes
    `{"result": value}`. A dict that says it failed (`error` set, or `success` False, as kailash-kaizen's agents
    do) fails the item and keeps the rest. A key that is one of the result's own (`batch`, `index`, `status`) is
    kept as `agent_<key>`.
    """

    from_model = False
    output_fields: tuple[str, ...] = ()

    def __init__(self, function: Any) -> None:
        self._source = function
        self._is_agent = isinstance(function, SmallAgent)
        self._call = function.run_async if self._is_agent else function
        self._signature = inspect.signature(self._call)
        parameters = self._signature.parameters.values()
        self._takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
        by_name = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        # The names of a function whose every parameter is one that must be given, by name: nearly all are such.
        self._names = dict.fromkeys(p.name for p in by_name if p.default is p.empty).keys()
        self._is_plain = len(self._names) == len(parameters)
        self._takes_one = not self._is_agent and _fits(self._signature, None)

    def session(self) -> AbstractAsyncContextManager[Any]:
        """The wrapped agent's own session, if it has one."""
        return session_of(self._source)

    def prepare(self, inputs: Any) -> Arguments:
        """The arguments of the call; raises InputError if they do not fit the function."""
        if isinstance(inputs, dict):
            if self._is_plain and inputs.keys() >= self._names:
                # A copy in any case: a generator may hand out one dict again and again.
                return (), {name: inputs[name] for name in self._names}
        elif self._takes_one:
            return (inputs,), {}
        try:
            if isinstance(inputs, dict):
                bound = self._signature.bind(**self._taken(inputs))
            else:
                bound = self._signature.bind(prompt=inputs) if self._is_agent else self._signature.bind(inputs)
            return bound.args, bound.kwargs
        except TypeError as error:
            given = f"a dict with {', '.join(map(repr, inputs))}" if isinstance(inputs, dict) else type(inputs).__name__
            raise InputError(f"the item does not fit the function: {error}; given: {given}") from None

    async def complete(self, request: Arguments) -> Completion:
        """Call the function."""
        args, kwargs = request
        value = await self._call(*args, **kwargs)
        return Completion(None, None, None, None, None, value if isinstance(value, dict) else {"result": value})

    @property
    def endpoint(self) -> str:
        """The function's import path, as far as it has one."""
        return f"{getattr(self._call, '__module__', '')}:{getattr(self._call, '__qualname__', type(self._call))}"

    def body(self, request: Arguments) -> bytes:
        """The arguments as JSON; raises InputError for what is none."""
        try:
            return json.dumps(request, sort_keys=True, allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            raise InputError(f"a journal needs arguments that are JSON: {error}") from None

    def _taken(self, inputs: dict[str, Any]) -> dict[str, Any]:
        if self._takes_any:
            return inputs
        return {name: inputs[name] for name in self._signature.parameters if name in inputs}

    def parse(self, request: Any, completion: Completion) -> dict[str, Any]:
        """The function's own dict."""
        value = completion.value or {}
        if value.keys().isdisjoint(_TELLING):
            return value
        error = value.get("error")
        outputs = {_own_name(key, value): v for key, v in value.items() if key != "error"}
        if error or value.get("success") is False:
            raise AgentError(str(error or "the agent said that it failed"), outputs=outputs)
        return outputs


def prepared(agent: Any, inputs: Any) -> Any:
    """The agent's request for one item. A cancellation that `prepare` itself raises would end more than the item."""
    try:
        return agent.prepare(inputs)
    except asyncio.CancelledError:
        raise _cancelled("prepare") from None


def parsed(agent: Any, request: Any, completion: Completion) -> dict[str, Any]:
    """What the agent reads from an answer; anything but a dict is its fault."""
    try:
        outputs: Any = agent.parse(request, completion)
    except asyncio.CancelledError:
        raise _cancelled("parse") from None
    if not isinstance(outputs, dict):
        raise AgentError(f"parse must return a dict; it returned a {type(outputs).__name__}")
    return outputs


def _cancelled(step: str) -> AgentError:
    return AgentError(f"{step} was cancelled from within", code="cancelled")


def session_of(agent: Any) -> AbstractAsyncContextManager[Any]:
    """What the agent holds open for a run: its `session()`, or nothing if it has none."""
    session = getattr(agent, "session", None)
    return session() if callable(session) else nullcontext()


def _fits(signature: inspect.Signature, *args: Any) -> bool:
    try:
        signature.bind(*args)
    except TypeError:
        return False
    return True


def _own_name(key: str, value: dict[str, Any]) -> str:
    if key not in ENVELOPE:
        return key
    name = f"agent_{key}"
    while name in value:
        name = f"agent_{name}"
    return name


def as_agent(agent: Any) -> Any:
    """The full protocol of whatever a user hands to a strategy.

    Raises: ConfigError for something that is neither an agent nor an async function.
    """
    if isinstance(agent, type):
        raise ConfigError(f"an agent is an instance, not a class; given: {agent!r}; write {agent.__name__}(...)")
    if isinstance(agent, Agent):
        return agent
    if _is_async_callable(agent.run_async if isinstance(agent, SmallAgent) else agent):
        return FunctionAgent(agent)
    hint = "; it is not async: define it with `async def`" if callable(agent) or isinstance(agent, SmallAgent) else ""
    raise ConfigError(
        f"an agent has prepare, complete and parse, or `async run_async(**inputs)`, or is an async function; "
        f"given: {agent!r}{hint}"
    )


def create_agent(config: BatchConfig, signature: Any = None, provider: Any = None) -> Any:
    """The agent for a config: a model behind a signature, or the function that stands in for a provider.

    `provider` (default: what `config.llm_provider` names) is a Provider, a Provider class, an agent or an async
    function. Raises: ConfigError, SignatureError.
    """
    if provider is None:
        provider = create_provider(config)
    if isinstance(provider, type) and issubclass(provider, Provider):
        provider = configure_provider(provider, config)
    if isinstance(provider, Provider):
        return _model_agent(config, as_signature(signature or ProcessingSignature), provider)
    if signature is not None:
        raise ConfigError("a function gives its own outputs: leave out signature, or pass a Provider")
    return as_agent(provider)


def _model_agent(config: BatchConfig, signature: type[Signature], provider: Provider) -> ModelAgent:
    agent = ModelAgent(config, signature, provider)
    for other in config.fallback_configs():
        # Another model at the same endpoint goes through the same provider, and so the same connections.
        same = all(getattr(other, name) == getattr(config, name) for name in _SAME_PROVIDER)
        agent.fallbacks.append(ModelAgent(other, signature, provider if same else create_provider(other)))
    return agent


def _is_async_callable(thing: Any) -> bool:
    return inspect.iscoroutinefunction(thing) or inspect.iscoroutinefunction(getattr(thing, "__call__", None))  # noqa: B004 - the method itself is asked whether it is async
