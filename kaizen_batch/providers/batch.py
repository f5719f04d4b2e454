"""Batches of requests: what a provider's batch API must offer, and the limits of the known ones.

>>> async with provider.batches(settings) as api:
...     file = await api.upload(Path("requests.jsonl"), "requests-<hash>.jsonl")
...     batch = await api.create(file, intent="7f3a...")
...     batch = await api.status(batch.id)

No request here is idempotent at the provider. So `create` is sent exactly once; whether one whose response was lost has
made a batch is found out with `find`, by the intent in its metadata. An upload is told by its name, which is a hash of
its content. All other calls may be repeated.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from kaizen_batch.config import BatchSettings
from kaizen_batch.errors import KaizenBatchError
from kaizen_batch.prices import Price
from kaizen_batch.providers.base import Completion

INTENT = "kaizen_batch"
"""The name of the intent in a batch's metadata."""

UNLISTED = "batches_not_listed"
"""The code of the error where nobody can say whether a batch was made."""

ENDED = ("completed", "failed", "expired", "cancelled")
"""The states in which a batch is over."""

_MB = 10**6


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What one provider accepts.

    `requests` and `bytes` bound one file, `enqueued_tokens` the prompt tokens of all batches that are not over.
    `url` is the endpoint in each line, `purpose` that of an uploaded file, `window` the completion window. `discount`
    is the price of a request as a share of a live one, where the price list does not know it: None if nobody says.
    """

    requests: int = 50_000
    bytes: int = 200 * _MB
    enqueued_tokens: int | None = None
    url: str = "/v1/chat/completions"
    purpose: str = "batch"
    window: str = "24h"
    discount: float | None = None


class KnownProvider(NamedTuple):
    """A row of the table: a provider, the end of its host, what it accepts, who says so, and how that was checked."""

    name: str
    host: str
    limits: BatchLimits
    source: str
    checked: str


_DOCUMENTED = "documented there; not tried"

KNOWN: tuple[KnownProvider, ...] = (
    KnownProvider(
        "OpenAI",
        "api.openai.com",
        BatchLimits(discount=0.5),
        "https://platform.openai.com/docs/guides/batch",
        _DOCUMENTED,
    ),
    KnownProvider(
        "Azure OpenAI",
        ".azure.com",
        BatchLimits(requests=100_000, url="/chat/completions", discount=0.5),
        "https://learn.microsoft.com/azure/ai-foundry/openai/how-to/batch",
        _DOCUMENTED,
    ),
    KnownProvider(
        "Groq",
        "api.groq.com",
        BatchLimits(bytes=100 * _MB, discount=0.75),
        "https://console.groq.com/docs/batch",
        "the lowest figures of several versions; not tried",
    ),
    KnownProvider(
        "Together",
        "api.together.xyz",
        BatchLimits(bytes=100 * _MB, enqueued_tokens=30_000_000_000, purpose="batch-api"),
        "https://docs.together.ai/docs/batch-inference",
        _DOCUMENTED,
    ),
    KnownProvider(
        "DeepInfra",
        "api.deepinfra.com",
        BatchLimits(discount=0.8),
        "https://docs.deepinfra.com/batch/introduction",
        "the discount is documented there; sizes are OpenAI's, assumed; not tried",
    ),
)
"""Providers of batches in November 2026. What a file may hold is the lowest that is documented."""


def limits_at(base_url: str) -> BatchLimits:
    """The limits of the provider at a URL; those of OpenAI, without a discount, where it is not known.

    >>> limits_at("https://api.openai.com/v1").discount
    0.5
    """
    host = urlsplit(base_url).hostname or ""
    return next((known.limits for known in KNOWN if host.endswith(known.host)), BatchLimits())


def within(limits: BatchLimits, settings: BatchSettings) -> BatchLimits:
    """A provider's limits, replaced by those that the user knows better, and lowered to the user's wishes."""
    if settings.limits is not None:
        limits = replace(limits, **settings.limits.model_dump(exclude_none=True))
    tokens = [each for each in (limits.enqueued_tokens, settings.enqueued_tokens) if each is not None]
    return replace(
        limits,
        requests=min(limits.requests, settings.rows),
        bytes=min(limits.bytes, settings.bytes or limits.bytes),
        enqueued_tokens=min(tokens, default=None),
    )


class RemoteBatch(NamedTuple):
    """A batch as its provider sees it now; `status` in lower case, `errors` as pairs of code and message."""

    id: str
    status: str
    counts: dict[str, int]
    output_file: str | None
    error_file: str | None
    expires_at: float | None
    errors: tuple[tuple[str, str], ...] = ()

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in ENDED


class Outcome(NamedTuple):
    """What a batch says of one request: a completion, or why there is none. `key` is its custom_id in bytes."""

    key: bytes
    completion: Completion | None
    error: KaizenBatchError | None


class BatchApi(ABC):
    """A provider's batches, inside `async with`; every method raises ProviderError and its subclasses.

    `create` is never repeated. Where the provider has no list, `find` raises an error with the code UNLISTED.
    """

    limits: BatchLimits

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    @abstractmethod
    def encoded(self, key: bytes, body: bytes) -> bytes:
        """The line of a request in the input file."""

    @abstractmethod
    def read(self, line: bytes) -> Outcome | None:
        """What a line of a result file says; None for a line that names no request of ours."""

    @abstractmethod
    def price(self, model: str, live: Price | None) -> Price | None:
        """What a model costs in a batch, `live` being what it costs otherwise; None if nobody knows."""

    @abstractmethod
    async def upload(self, path: Path, name: str) -> str:
        """Upload an input file; its id."""

    @abstractmethod
    async def find_upload(self, name: str) -> str | None:
        """The id of an input file with this name, if there is one."""

    @abstractmethod
    async def create(self, file: str, intent: str) -> RemoteBatch:
        """Make a batch: one request, not repeated."""

    @abstractmethod
    async def find(self, intent: str, since: float) -> RemoteBatch | None:
        """The batch that was made with this intent, none of them before `since` (Unix time)."""

    @abstractmethod
    async def status(self, batch: str) -> RemoteBatch:
        """How far a batch is."""

    @abstractmethod
    async def download(self, file: str, path: Path) -> None:
        """Write a result file to a path, whole or not at all."""

    @abstractmethod
    async def cancel(self, batch: str) -> None:
        """Ask for the end of a batch, which may take minutes; one that is over already is left as it is."""

    @abstractmethod
    async def delete(self, file: str) -> None:
        """Delete a file at the provider; one that is gone is fine."""


class HasBatches(ABC):
    """What a provider inherits from, beside Provider, if it has batches."""

    @abstractmethod
    def batches(self, settings: BatchSettings) -> BatchApi:
        """Its batches, within the user's settings."""


def scaled(price: Price, share: float) -> Price:
    """A share of a price."""
    cached = None if price.cached is None else price.cached * share
    tiers = tuple((above, scaled(tier, share)) for above, tier in price.tiers)
    return Price(price.input * share, price.output * share, cached, tiers)
