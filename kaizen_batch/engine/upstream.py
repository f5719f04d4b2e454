"""One endpoint of a run: its agent, the line in front of it, what its calls cost, and whether it still serves."""

from collections.abc import Mapping
from typing import Any

from kaizen_batch.agents import Agent
from kaizen_batch.config import RunConfig
from kaizen_batch.errors import (
    BadRequestError,
    ConfigError,
    EndpointDownError,
    KaizenBatchError,
    NoAnswerError,
    OverloadedError,
    ProviderError,
    ServerError,
    ThrottledError,
)
from kaizen_batch.limits import (
    Admission,
    CircuitBreaker,
    ConcurrencyLimiter,
    RateLimiter,
    Reservation,
    TokenEstimate,
    WaitQueue,
    read_rate_limit_headers,
)
from kaizen_batch.prices import Price
from kaizen_batch.providers import Completion


class Upstream:
    """Sends calls to one endpoint and tells its limits what came of them.

    `name` is the model that answers here. `error` says why the endpoint serves no longer, or is None; `sized` whether a
    ticket needs the size of its request; `timeout_s` what a call may last, None if nothing bounds it or the agent
    sees to it itself. A run has one lane for its agent, and one for each fallback; `concurrency` is shared by all.
    """

    def __init__(
        self,
        agent: Agent,
        config: RunConfig,
        admission: Admission,
        concurrency: ConcurrencyLimiter,
        *,
        is_fallback: bool = False,
    ) -> None:
        self.agent = agent
        self.name: str | None = agent.name
        self.is_fallback = is_fallback
        self.error: KaizenBatchError | None = None
        self.price: Price | None = config.price or agent.price
        self._budgeted = config.budget_usd is not None
        self._bounded = self._budgeted or (config.journal is not None and self.price is not None)
        self._concurrency = concurrency
        self._adapts = config.adaptive
        self._breaker = CircuitBreaker(config.max_concurrent)
        self._rate = RateLimiter(
            requests_per_minute=config.requests_per_minute, tokens_per_minute=config.tokens_per_minute
        )
        self._estimate = TokenEstimate()
        # The gate joins with the first trouble, the rate limiter perhaps with the first announcement.
        self.queue: WaitQueue = admission.queue([self._rate] if self._rate.active else [])
        self._troubled = False
        self.sized: bool = self._bounded or self._rate.counts_tokens
        self.timeout_s: float | None = None if agent.keeps_timeout(config.timeout_s) else config.timeout_s
        if self._budgeted:
            _check_budget(self.price, agent)

    @property
    def endpoint(self) -> str | None:
        """Where the calls go."""
        return self.agent.endpoint

    def reservation(self, request: Any, body: bytes | None) -> Reservation:
        """What a call can take at most; `body` is the request as it goes over the wire, if `sized`."""
        if body is None or not self.sized:
            return Reservation()
        size, output = len(body), self.agent.max_output(request) or 0
        # A byte-level tokenizer makes at most one token of each byte: a bound that no tokenizer has to be asked for.
        usd = self.price.at_most(size, output) if self._bounded and self.price else 0.0
        return Reservation(self._tokens(size, output), usd, body_bytes=size)

    def _tokens(self, body_bytes: int, output: int) -> int:
        bound, limit = self._estimate.tokens(body_bytes, output), self._rate.token_limit
        if limit is not None and bound > limit >= self._estimate.likely(body_bytes, output):
            return limit  # the bound errs on the safe side, and must not fail a call that will fit a whole window
        return bound

    def answered(self, reservation: Reservation, completion: Completion, sent_at: float, now: float) -> float | None:
        """Book an answer; its cost in USD, or None if it cannot be known."""
        usage = completion.usage
        if self._troubled:
            self._breaker.succeeded()
        if self._adapts:
            self._concurrency.answered(now - sent_at, usage.output_tokens if usage is not None else 0, now)
        if completion.headers:
            self._observe_headers(completion.headers, reservation, sent_at, now)
        if usage is None:
            return None
        reservation.used_tokens = usage.total_tokens
        if reservation.body_bytes:
            self._estimate.learn(reservation.body_bytes, usage.input_tokens)
        reservation.used_usd = usd = self.price.cost(usage) if self.price is not None else None
        return usd

    def failed(self, reservation: Reservation, error: KaizenBatchError, item: int, sent_at: float, now: float) -> float:
        """Book a call that ended without an answer; seconds of the pause that this starts, 0.0 if none.

        Raises: EndpointDownError when the endpoint has failed for too long.
        """
        if not error.may_be_billed:
            reservation.used_usd = 0.0
        if isinstance(error, ProviderError):
            self._observe_headers(error.headers, reservation, sent_at, now)
        if isinstance(error, ThrottledError | OverloadedError):
            self._concurrency.throttled(now)
        if isinstance(error, ThrottledError):
            self._breaker.cause = _cause(error, self.endpoint)
            # At once, before this call leaves its place to the next; the retry policy may make it longer.
            self.pause(error.retry_after_s or 0.0, sent_at, now)
        if isinstance(error, BadRequestError):
            self._breaker.succeeded()
        if not isinstance(error, ServerError | NoAnswerError):
            return 0.0
        self._watch_out()
        self._breaker.cause = _cause(error, self.endpoint)
        pause_s = self._breaker.failed(item, sent_at, now)
        if pause_s is None:
            raise EndpointDownError(
                f"the endpoint failed every call, the probes included; the last time: {error.message}; run the same "
                "batch again when it is back: with a journal, only what is missing is asked"
            ) from error
        return pause_s

    def pause(self, seconds: float, sent_at: float, now: float) -> None:
        """Let nobody through for so long: the endpoint asked for it."""
        self._watch_out()
        self._breaker.pause(seconds, sent_at, now)

    def _watch_out(self) -> None:
        self._troubled = True
        self.queue.activate(self._breaker)

    def close(self, error: KaizenBatchError) -> None:
        """Serve no more: this endpoint fails every item alike."""
        self.error = self.error or error
        if not self.queue.closed:  # else the run is over, and that is what the others are told
            self.queue.close(error)

    def _observe_headers(
        self, headers: Mapping[str, str], reservation: Reservation, sent_at: float, now: float
    ) -> None:
        announced = read_rate_limit_headers(headers) if headers else None
        if announced is not None:
            self.queue.activate(self._rate)
            self._rate.observe(announced, sent_at, now, reservation=reservation)
            self.sized = self._bounded or self._rate.counts_tokens


def _cause(error: KaizenBatchError, endpoint: str | None) -> str:
    """Why an endpoint pauses, for displays: no text of the endpoint, which may quote a prompt."""
    status = error.status if isinstance(error, ProviderError) else None
    why = f"HTTP {status}, {error.code}" if status is not None else error.message
    return f"{endpoint}: {why}" if endpoint else why


def _check_budget(price: Price | None, agent: Agent) -> None:
    name, where = agent.name or type(agent).__name__, agent.endpoint or "its endpoint"
    if price is None:
        raise ConfigError(
            f"budget_usd needs to know what {name} costs at {where}, and the price list does not say: "
            'pass price={"input": ..., "output": ...}, in USD for a million tokens'
        )
    if agent.max_output(None) is None:
        raise ConfigError(f"budget_usd needs a bound for each answer of {name}: set max_tokens")
