"""The interface between the engine and an endpoint: one request in, one completion out."""

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Self

import orjson
from msgspec import Struct

from kaizen_batch.config import BatchConfig
from kaizen_batch.errors import ProviderError
from kaizen_batch.prices import Price, Usage
from kaizen_batch.signature.messages import text_of

Message = dict[str, Any]
"""A message in OpenAI's form: `role`, `content` and perhaps more."""


@dataclass(frozen=True, slots=True)
class OutputSchema:
    """A JSON schema for the answer; `name` is sent to the endpoint with it, and `mode` says how it is sent."""

    name: str
    schema: dict[str, object]
    mode: str = "auto"

    def __hash__(self) -> int:
        return hash((self.name, self.mode))


@dataclass(frozen=True, slots=True)
class Parameters:
    """Further fields of the request body; two sets are equal if their JSON is.

    >>> Parameters.of({"seed": 7}).values["seed"]
    7
    """

    json: bytes
    values: Mapping[str, object] = field(compare=False)

    @classmethod
    def of(cls, values: Mapping[str, object]) -> Self:
        """The parameters with these values, which are JSON."""
        return cls(to_json(values, "surrogatepass"), dict(values))


class _Encoded:
    """A slot for the encoded bytes of a request. It is not a field: comparison, repr and copies ignore it."""

    __slots__ = ("encoded",)

    encoded: bytes


class Request(Struct, _Encoded, frozen=True, gc=False):
    """One question to a model, independent of any provider's format.

    `messages` are `{"role": ..., "content": ...}` dicts; `temperature` and `max_tokens` None leave the choice
    to the endpoint; `output` None asks for free text. `parameters` are further fields of the body. `asked` says that
    the user asked for this temperature, so that a model that refuses it must not get the request without it.
    """

    model: str
    messages: list[Message]
    temperature: float | None = None
    max_tokens: int | None = None
    output: OutputSchema | None = None
    parameters: Parameters | None = None
    asked: bool = False

    @property
    def prompt(self) -> str:
        """The text of the last message."""
        return text_of(self.messages[-1]["content"]) if self.messages else ""


# A request is frozen, so the slot is set through its descriptor.
keep_encoded: Callable[[Request, bytes], None] = vars(_Encoded)["encoded"].__set__


_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Completion(Struct, frozen=True, gc=False):
    """One answer.

    `text` is what the model wrote, `value` what a plain function returned instead; `finish_reason` is `stop`,
    `length`, `content_filter` or the endpoint's own word. `model` is the model that the endpoint says answered,
    `reasoning` what the model thought before. `headers` are those of the response about limits, waits and retries, with
    lower-case names. `error` says why the generation failed although it was billed; the item may be retried.
    """

    text: str | None = None
    usage: Usage | None = None
    finish_reason: str | None = "stop"
    refusal: str | None = None
    model: str | None = None
    value: dict[str, Any] | None = None
    headers: Mapping[str, str] = _NO_HEADERS
    reasoning: str | None = None
    error: ProviderError | None = None


def to_json(value: object, errors: str = "strict") -> bytes:
    """Compact JSON in UTF-8; `errors` says how lone surrogates are encoded.

    Raises: UnicodeEncodeError for a lone surrogate, unless `errors` allows it.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        # orjson refuses surrogates, and integers beyond 64 bits, which a schema may contain.
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", errors)


class Provider(ABC):
    """Calls an endpoint. Subclass it and implement `complete`; everything else has a default.

    >>> class Shout(Provider):
    ...     async def complete(self, request: Request) -> Completion:
    ...         return Completion(text=request.prompt.upper())

    Then pass an instance, `BatchProcessorAgent(provider=Shout())`, or refer to it by name, after
    `register_provider("shout", Shout)`, or by import path, `BatchConfig(llm_provider="my_package:Shout")`.
    """

    @abstractmethod
    async def complete(self, request: Request) -> Completion:
        """Make exactly one attempt. Retries, limits and time-outs belong to the engine.

        Raises: ProviderError or a subclass, which tells the engine whether to retry. TimeoutError and
        ConnectionError are retried too; any other exception fails the item without a retry.
        """

    standard_body: ClassVar[bool] = True
    """Whether `body` holds nothing but the Request; False as soon as a subclass writes a `body` of its own."""

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        if "body" in vars(cls) and "standard_body" not in vars(cls):
            cls.standard_body = False

    @property
    def endpoint(self) -> str:
        """Where requests are sent, as part of a request's key. Default: the class's import path."""
        return f"{type(self).__module__}:{type(self).__qualname__}"

    def body(self, request: Request) -> bytes:
        """The request as bytes: the rest of its key, and the upper bound of its tokens.

        Default: the request as JSON. It must contain everything that the answer depends on.
        """
        parts: list[object] = [request.model, request.messages, request.temperature, request.max_tokens]
        if request.output is not None:
            parts += [request.output.name, request.output.schema]
        if request.parameters is not None:
            parts.append(request.parameters.values)
        return to_json(parts, "surrogatepass")

    def price(self, model: str) -> Price | None:
        """What the model costs here; None if unknown."""
        return None

    def price_in(self, model: str, mode: str) -> Price | None:
        """What it costs at a service tier other than the standard one, or in a batch; None if unknown."""
        return None

    def batch_body(self, request: Request) -> bytes:
        """The request as a batch sends it: without what the endpoint was seen to refuse. Default: `body`."""
        return self.body(request)

    def schema_ignored(self, model: str) -> bool:
        """The model's answers ignore their schema; whether it is sent in another way from now on."""
        return False

    def keeps_timeout(self, seconds: float | None) -> bool:
        """Whether the provider itself ends a call after so many seconds. Default: no, the engine does."""
        return False

    @asynccontextmanager
    async def session(self) -> AsyncIterator[None]:
        """Holds resources open for a run, such as a connection pool. Entered and left on the run's loop.

        Runs may overlap, on one loop or on several.
        """
        yield

    def release_idle(self) -> None:  # noqa: B027 - by default nothing is kept open
        """A run on this loop has no item left to send: idle connections may be closed. Called once in a session."""

    @classmethod
    def from_config(cls, config: BatchConfig) -> Self:
        """The provider for a config that names this class. Default: `cls(**provider_options)`."""
        return cls(**config.provider_options)
