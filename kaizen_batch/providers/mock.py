"""An in-process provider: no network, no cost, deterministic answers."""

import asyncio
import math
import random
from collections.abc import Callable, Mapping

from kaizen_batch.errors import ConfigError, NoAnswerError, ProviderError
from kaizen_batch.prices import Price, Usage
from kaizen_batch.providers.base import Completion, Provider, Request
from kaizen_batch.providers.canned import canned_answer, count_tokens
from kaizen_batch.providers.error_responses import error_from_response
from kaizen_batch.signature.messages import text_of

_NO_ANSWER = "torn"


class MockProvider(Provider):
    """Answers in process, after a latency, and fails at given rates.

    >>> provider = MockProvider(latency_s=0.01, failures={429: 0.02, 500: 0.02, "torn": 0.01}, seed=7)

    - `latency_s`: seconds for each call; with `latency_sigma` above 0, the median of a lognormal distribution.
    - `failures`: shares (0 to 1) of calls that fail with an HTTP status, or with `"torn"`: no answer.
    - `answer`: a function from the Request to the text; default: a made-up answer that fits the schema.
    - `seed`: seeds failures and latencies.

    `calls` counts attempts; `in_flight` is their current number, `peak` the highest.

    Raises: ConfigError for a bad option.
    """

    def __init__(
        self,
        *,
        latency_s: float = 0.0,
        latency_sigma: float = 0.0,
        failures: Mapping[int | str, float] | None = None,
        answer: Callable[[Request], str] | None = None,
        seed: int = 0,
    ) -> None:
        if latency_s < 0 or latency_sigma < 0:
            raise ConfigError(f"latency_s and latency_sigma must be >= 0; given: {latency_s}, {latency_sigma}")
        self.calls: int = 0
        self.in_flight: int = 0
        self.peak: int = 0
        self._latency_s = latency_s
        self._latency_sigma = latency_sigma
        self._failures = _checked(failures or {})
        self._answer = answer
        self._random = random.Random(seed)

    def price(self, model: str) -> Price:
        """Free."""
        return Price(0.0, 0.0)

    def price_in(self, model: str, mode: str) -> Price:
        """Free."""
        return Price(0.0, 0.0)

    async def complete(self, request: Request) -> Completion:
        """Wait, then answer or fail."""
        self.calls += 1
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            if self._latency_s:
                await asyncio.sleep(self._latency())
            self._maybe_fail()
            return self._completion(request)
        finally:
            self.in_flight -= 1

    def _latency(self) -> float:
        return self._latency_s * math.exp(self._random.gauss(0.0, self._latency_sigma))

    def _maybe_fail(self) -> None:
        dice = self._random.random() if self._failures else 1.0
        for kind, share in self._failures.items():
            dice -= share
            if dice < 0:
                raise _failure(kind)

    def _completion(self, request: Request) -> Completion:
        schema = request.output.schema if request.output else None
        text = self._answer(request) if self._answer else canned_answer(request.messages, schema)
        asked = sum(count_tokens(text_of(message["content"])) for message in request.messages)
        return Completion(text=text, usage=Usage(asked, count_tokens(text)), model=request.model)


def _checked(failures: Mapping[int | str, float]) -> dict[int | str, float]:
    # JSON has only string keys, so "429" is accepted as well as 429.
    checked = {int(kind) if str(kind).isdigit() else str(kind): share for kind, share in failures.items()}
    for kind, share in checked.items():
        if not (kind == _NO_ANSWER or (isinstance(kind, int) and 400 <= kind <= 599)) or not 0 <= share <= 1:
            raise ConfigError(
                f"failures maps an HTTP status (400 to 599) or {_NO_ANSWER!r} to a share from 0 to 1; "
                f"given: {kind!r}: {share!r}"
            )
    return checked


def _failure(kind: int | str) -> ProviderError:
    if isinstance(kind, int):
        return error_from_response(kind, {"error": {"message": "an injected failure"}}, {})
    return NoAnswerError("an injected torn connection", code="connection")
