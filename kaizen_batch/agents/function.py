"""What users bring: `as_agent` makes an Agent of a function, or of an object with a method that does the work."""

import inspect
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Protocol, runtime_checkable

from kaizen_batch.agents.base import Agent
from kaizen_batch.agents.kaizen import Threaded, is_kaizen_agent, is_synchronous
from kaizen_batch.errors import AgentError, ConfigError, InputError
from kaizen_batch.providers import Completion
from kaizen_batch.results import ENVELOPE, Outputs

_OPTIONAL = (
    "name",
    "endpoint",
    "endpoint_name",
    "price",
    "output_fields",
    "from_model",
    "signature",
    "config",
    "fallbacks",
)
_REPORTING = {*ENVELOPE, "success"}  # keys that are not just outputs

Arguments = tuple[tuple[Any, ...], dict[str, Any]]
"""Positional and keyword arguments of a call."""


@runtime_checkable
class SmallAgent(Protocol):
    """An object with `run_async`: inputs in, a dict out."""

    @property
    def run_async(self) -> Callable[..., Awaitable[object]]:
        """The method that does the work for one item."""


@runtime_checkable
class _Executes(Protocol):
    """An object with `execute`: the item in, a dict out."""

    @property
    def execute(self) -> Callable[[Any], Awaitable[object]]: ...


@runtime_checkable
class _HasEngineAgent(Protocol):
    """A node: it knows what the engine runs for it."""

    def engine_agent(self) -> Agent: ...


@runtime_checkable
class _Steps(Protocol):
    """An object with the three steps of an Agent that does not derive from Agent."""

    def prepare(self, inputs: Any) -> Any: ...

    def complete(self, request: Any) -> Awaitable[Completion]: ...

    def parse(self, request: Any, completion: Completion) -> Outputs: ...


AgentLike = Agent | _HasEngineAgent | SmallAgent | _Executes | _Steps | Callable[..., Awaitable[object]]
"""What a strategy runs, and `as_agent` adapts."""


class FunctionAgent(Agent):
    """An async function, or an object with `run_async(**inputs)` or `execute(inputs)`.

    >>> async def label(text: str) -> dict: ...
    >>> agent = FunctionAgent(label)

    An item that is a dict becomes keyword arguments, as far as the function takes them; any other item becomes
    `run_async(prompt=item)`, or the function's one positional argument. `execute` gets the whole item. A return value
    that is not a dict becomes `{"result": value}`. A dict that reports a failure (`error` is set, or `success` is
    False, as in kailash-kaizen) fails the item and keeps its other keys. A key that belongs to the result itself
    (`batch`, `index`, `status`) is kept as `agent_<key>`.
    """

    from_model = False

    def __init__(self, function: object) -> None:
        self._named = isinstance(function, SmallAgent)
        self._whole = not self._named and isinstance(function, _Executes)
        self._call = _work_of(function)
        # Part of every key in the journal.
        self.endpoint: str = (
            f"{getattr(self._call, '__module__', '')}:{getattr(self._call, '__qualname__', type(self._call))}"
        )
        self._open = getattr(function, "session", None)
        self._parameters = inspect.signature(self._call)
        parameters = self._parameters.parameters.values()
        self._takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
        by_name = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        # The names of a function whose every parameter is one that must be given, by name: nearly all are such.
        self._names = dict.fromkeys(p.name for p in by_name if p.default is p.empty).keys()
        self._is_plain = len(self._names) == len(parameters)
        self._takes_one = self._whole or (not self._named and _fits(self._parameters, None))

    def session(self) -> AbstractAsyncContextManager[object]:
        """The object's own session, if it has one."""
        return self._open() if callable(self._open) else nullcontext()

    def prepare(self, inputs: object) -> Arguments:
        """The arguments of the call. Raises: InputError if they do not fit the function."""
        if isinstance(inputs, dict):
            if self._whole:
                return (dict(inputs),), {}
            if self._is_plain and inputs.keys() >= self._names:
                # A copy in any case: a generator may hand out one dict again and again.
                return (), {name: inputs[name] for name in self._names}
        elif self._takes_one:
            return (inputs,), {}
        try:
            bound = self._bound(inputs)
            return bound.args, bound.kwargs
        except TypeError as error:
            given = f"a dict with {', '.join(map(repr, inputs))}" if isinstance(inputs, dict) else type(inputs).__name__
            raise InputError(f"the item does not fit the function: {error}; given: {given}") from None

    def _bound(self, inputs: object) -> inspect.BoundArguments:
        if isinstance(inputs, dict):
            return self._parameters.bind(**self._taken(inputs))
        return self._parameters.bind(prompt=inputs) if self._named else self._parameters.bind(inputs)

    async def complete(self, request: Arguments) -> Completion:
        """Call the function."""
        args, kwargs = request
        value = await self._call(*args, **kwargs)
        return Completion(None, None, None, None, None, value if isinstance(value, dict) else {"result": value})

    def _taken(self, inputs: dict[str, object]) -> dict[str, object]:
        if self._takes_any:
            return inputs
        return {name: inputs[name] for name in self._parameters.parameters if name in inputs}

    def parse(self, request: object, completion: Completion) -> dict[str, object]:
        """The function's own dict. Raises: AgentError if it reports a failure."""
        value = completion.value or {}
        if value.keys().isdisjoint(_REPORTING):
            return value
        error = value.get("error")
        outputs = {_own_name(key, value): v for key, v in value.items() if key != "error"}
        if error or value.get("success") is False:
            raise AgentError(str(error or "the agent reported a failure"), outputs=outputs)
        return outputs


class StepsAgent(Agent):
    """An object that has `prepare`, `complete` and `parse`, and perhaps other members of Agent, without being one."""

    def __init__(self, steps: _Steps) -> None:
        self._steps = steps
        for name in _OPTIONAL:
            setattr(self, name, getattr(steps, name, getattr(Agent, name)))
        self.fallbacks: list[Agent] = [as_agent(fallback) for fallback in self.fallbacks]
        self._open = getattr(steps, "session", None)
        self._body: Callable[[object], bytes] = getattr(steps, "body", super().body)
        self._max_output: Callable[[object], int | None] = getattr(steps, "max_output", super().max_output)
        self._keeps: Callable[[float | None], bool] = getattr(steps, "keeps_timeout", super().keeps_timeout)

    def prepare(self, inputs: object) -> object:
        """The object's request."""
        return self._steps.prepare(inputs)

    def complete(self, request: object) -> Awaitable[Completion]:
        """The object's call."""
        return self._steps.complete(request)

    def parse(self, request: object, completion: Completion) -> dict[str, object]:
        """The object's outputs."""
        return self._steps.parse(request, completion)

    def session(self) -> AbstractAsyncContextManager[object]:
        """The object's session, if it has one."""
        return self._open() if callable(self._open) else nullcontext()

    def body(self, request: object) -> bytes:
        """The object's `body`, or the request as JSON."""
        return self._body(request)

    def max_output(self, request: object) -> int | None:
        """The object's `max_output`, or None."""
        return self._max_output(request)

    def keeps_timeout(self, seconds: float | None) -> bool:
        """The object's `keeps_timeout`, or False."""
        return self._keeps(seconds)


def as_agent(thing: object) -> Agent:
    """The Agent of whatever a user hands to a strategy: an Agent stays as it is, anything else is adapted.

    Accepts an object with `prepare`, `complete` and `parse`, with `async run_async(**inputs)` or with
    `async execute(inputs)`, an async function, an agent node, and an agent of kailash-kaizen. Raises: ConfigError for
    anything else.
    """
    if isinstance(thing, type):
        raise ConfigError(f"an agent is an instance, not a class; given: {thing!r}; write {thing.__name__}(...)")
    if isinstance(thing, Agent):
        return thing
    if isinstance(thing, _HasEngineAgent):
        return thing.engine_agent()
    if is_kaizen_agent(thing) and is_synchronous(thing):
        return _threaded(thing)
    if isinstance(thing, _Steps):
        return StepsAgent(thing)
    if _is_async(_work_of(thing)):
        return FunctionAgent(thing)
    has_work = callable(thing) or isinstance(thing, SmallAgent | _Executes)
    hint = "; it is not async: define it with `async def`" if has_work else ""
    raise ConfigError(
        f"an agent has prepare, complete and parse, or `async run_async(**inputs)`, or `async execute(inputs)`, or is "
        f"an async function; given: {thing!r}{hint}"
    )


def _threaded(agent: Any) -> Agent:
    adapted = FunctionAgent(Threaded(agent))
    adapted.endpoint = f"{type(agent).__module__}:{type(agent).__qualname__}"
    return adapted


def _work_of(thing: Any) -> Callable[..., Awaitable[object]]:
    """What to call for one item."""
    if isinstance(thing, SmallAgent):
        return thing.run_async
    work: Callable[..., Awaitable[object]] = thing.execute if isinstance(thing, _Executes) else thing
    return work


def _is_async(work: object) -> bool:
    return inspect.iscoroutinefunction(work) or inspect.iscoroutinefunction(getattr(work, "__call__", None))  # noqa: B004 - the method itself is asked whether it is async


def _fits(signature: inspect.Signature, *args: object) -> bool:
    try:
        signature.bind(*args)
    except TypeError:
        return False
    return True


def _own_name(key: str, value: dict[str, object]) -> str:
    if key not in ENVELOPE:
        return key
    name = f"agent_{key}"
    while name in value:
        name = f"agent_{name}"
    return name
