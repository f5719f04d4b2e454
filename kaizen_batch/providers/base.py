"""The seam between the engine and an endpoint: one request in, one completion out."""

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self

import orjson
from msgspec import Struct

from kaizen_batch.config import BatchConfig
from kaizen_batch.prices import Price, Usage

Message = dict[str, str]


@dataclass(frozen=True, slots=True)
class OutputSchema:
    """A strict JSON schema that the answer must follow; `name` is what the endpoint calls it."""

    name: str
    schema: dict[str, Any]

    def __hash__(self) -> int:
        return hash(self.name)


class _Encoded:
    """A place beside a request's fields, in no comparison, repr or copy, for the bytes that a provider made of it."""

    __slots__ = ("encoded",)

    encoded: bytes


class Request(Struct, _Encoded, frozen=True, gc=False):
    """One question to a model, free of any provider's spelling.

    `messages` are `{"role": ..., "content": ...}` dicts; `temperature` and `max_tokens` None leave the choice to
    the endpoint; `output` None asks for free text.
    """

    model: str
    messages: list[Message]
    temperature: float | None = None
    max_tokens: int | None = None
    output: OutputSchema | None = None

    @property
    def prompt(self) -> str:
        """The content of the last message."""
        return self.messages[-1]["content"] if self.messages else ""


# A request is frozen, and this is none of its fields.
keep_encoded: Callable[[Request, bytes], None] = vars(_Encoded)["encoded"].__set__


_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Completion(Struct, frozen=True, gc=False):
    """One answer.

    `text` is what the model said, `value` what a plain function gave back instead; `finish_reason` is `stop`,
    `length`, `content_filter` or the endpoint's own word. `headers` are those of the response that tell of limits,
    waits and retries, in lower case.
    """

    text: str | None = None
    usage: Usage | None = None
    finish_reason: str | None = "stop"
    refusal: str | None = None
    model: str | None = None
    value: dict[str, Any] | None = None
    headers: Mapping[str, str] = _NO_HEADERS


def to_json(value: Any, errors: str = "strict") -> bytes:
    """Compact JSON in UTF-8; `errors` is what becomes of lone surrogates.

    Raises: UnicodeEncodeError for a lone surrogate, unless `errors` lets it pass.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        # Not only surrogates: integers beyond 64 bits too, which a schema may hold.
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", errors)


class Provider(ABC):
    """Asks an endpoint. Subclass it and write `complete`; that is all a provider must do.

    >>> class Shout(Provider):
    ...     async def complete(self, request: Request) -> Completion:
    ...         return Completion(text=request.prompt.upper())

    Then either hand an instance over, `BatchProcessorAgent(provider=Shout())`, or name it, with
    `register_provider("shout", Shout)` or by its import path, `BatchConfig(llm_provider="my_package:Shout")`.
    """

    @abstractmethod
    async def complete(self, request: Request) -> Completion:
        """Make one attempt, and only one; retries, limits and time-outs are the engine's.

        Raises: errors of `kaizen_batch.errors` (ProviderError and below) so that failures can be told apart;
        any other exception fails the item without a retry, except TimeoutError and ConnectionError.
        """

    @property
    def endpoint(self) -> str:
        """Where requests go, as part of a request's key; by default the class's import path."""
        return f"{type(self).__module__}:{type(self).__qualname__}"

    def body(self, request: Request) -> bytes:
        """What goes over the wire for this request: the rest of its key, and what bounds its tokens.

        By default the request as JSON. It must hold everything that the answer depends on.
        """
        parts: list[Any] = [request.model, request.messages, request.temperature, request.max_tokens]
        if request.output is not None:
            parts += [request.output.name, request.output.schema]
        return to_json(parts, "surrogatepass")

    def price(self, model: str) -> Price | None:
        """What the model costs here, None if that is unknown."""
        return None

    def keeps_timeout(self, seconds: float | None) -> bool:
        """Whether a call ends by itself so many seconds after it was sent; by default no, and the engine ends it."""
        return False

    @asynccontextmanager
    async def session(self) -> AsyncIterator[None]:
        """What a run holds open while it lasts, such as a connection pool: entered and left on the run's loop.

        Runs may overlap, on one loop or on several.
        """
        yield

    @classmethod
    def from_config(cls, config: BatchConfig) -> Self:
        """The provider that `BatchConfig(llm_provider=...)` means: by default `cls(**provider_options)`."""
        return cls(**config.provider_options)
