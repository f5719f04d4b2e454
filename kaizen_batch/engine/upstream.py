"""One endpoint of a run: its agent, the queue in front of it, what its calls cost, and whether it still serves."""

import math
from collections.abc import Mapping, Sequence

from kaizen_batch.agents import Agent
from kaizen_batch.config import RunConfig
from kaizen_batch.engine.run_limits import RunLimits
from kaizen_batch.engine.setup_faults import SetupFaults
from kaizen_batch.errors import (
    BadRequestError,
    ConfigError,
    EndpointDownError,
    InputError,
    KaizenBatchError,
    NoAnswerError,
    OverloadedError,
    ProviderError,
    ServerError,
    ThrottledError,
)
from kaizen_batch.limits import (
    AdaptiveConcurrencyLimiter,
    RateLimiter,
    Reservation,
    UpstreamLimits,
    WaitQueue,
    read_rate_limit_headers,
)
from kaizen_batch.prices import Price
from kaizen_batch.providers import Completion

_FIRST_CALLS = 8
RECONNECT_S = 1.0


class Upstream:
    """One endpoint as one run sees it: it lets calls through a queue and teaches the limits how they ended.

    `limits` are those of the agent, over all its runs. `name` is the model that answers here. `error` says why the
    endpoint no longer serves this run, or is None. `sized` says whether a reservation needs the size of its request,
    `timeout_s` how long a call may last: inf if nothing bounds it or the agent sees to it itself. `members` are the
    endpoints that its calls go to, where there are several.
    """

    members: "Sequence[Upstream]" = ()

    def __init__(self, agent: Agent, config: RunConfig, run_limits: RunLimits, *, is_fallback: bool = False) -> None:
        self.agent = agent
        self.name: str | None = agent.name
        self.is_fallback = is_fallback
        self.error: KaizenBatchError | None = None
        self.price: Price | None = agent.price if is_fallback else config.price or agent.price
        self.setup: SetupFaults = SetupFaults()
        self.limits: UpstreamLimits = agent.upstream_limits
        self.limits.breaker.ceiling = max(self.limits.breaker.ceiling, run_limits.max_concurrent)
        self._bounded = run_limits.budget is not None or (config.journal is not None and self.price is not None)
        self._capped = run_limits.budget is not None
        self._slots = run_limits.slots
        self._adaptive = any(isinstance(slots, AdaptiveConcurrencyLimiter) for slots in self._slots)
        own_rate = () if is_fallback or run_limits.rate is None else (run_limits.rate,)
        self._rates = self._rates_with(own_rate, run_limits)
        self.queue: WaitQueue = self.limits.queue((*own_rate, *run_limits.for_all))
        self.may_probe: bool = self.limits.breaker.is_open
        self.sized: bool = self._is_sized()
        self.timeout_s: float = _timeout_s(agent, config, is_fallback)
        if config.budget_usd is not None:
            _check_budget(self.price, agent)

    def _rates_with(self, own: tuple[RateLimiter, ...], run_limits: RunLimits) -> tuple[RateLimiter, ...]:
        shared = (self.limits.shared, run_limits.shared)
        return (self.limits.rate, *own, *(limits.rate for limits in shared if limits is not None))

    @property
    def rates(self) -> tuple[RateLimiter, ...]:
        """Every rate limit that a call may obey: the endpoint's own, the run's, those of a shared key."""
        return self._rates

    def _is_sized(self) -> bool:
        return self._bounded or any(rate.counts_tokens for rate in self._rates)

    @property
    def endpoint(self) -> str | None:
        """Where the calls go."""
        return self.agent.endpoint

    def at(self, reservation: Reservation) -> "Upstream":
        """The endpoint that a call went to."""
        return self

    def reservation(self, request: object, body: bytes | None, last: Reservation | None) -> Reservation:
        """What a call can take at most; `body` is the request as it is sent, if that is known already.

        `last` is the reservation of the item's call before: of several endpoints, this one goes to another.
        """
        if self.agent.varies:
            return self._own_reservation(request, body)
        if not self.sized and not self.may_probe:
            return Reservation()
        probe, self.may_probe = self.may_probe, False
        return self._reservation(request, body, self.price, probe) if self.sized else Reservation(probe=probe)

    def _own_reservation(self, request: object, body: bytes | None) -> Reservation:
        """What a call can take whose request may have a price of its own."""
        price = self.agent.price_of(request)
        if self._capped and price is None:
            raise InputError(
                "a budget cannot bound what this item costs: the price of its model is not known; leave out the "
                "budget, or the model of the item",
                code="unbounded_cost",
            )
        probe, self.may_probe = self.may_probe, False
        made = self._reservation(request, body, price, probe) if self.sized else Reservation(probe=probe)
        made.price = price
        return made

    def _reservation(self, request: object, body: bytes | None, price: Price | None, probe: bool) -> Reservation:
        if body is None:
            body = self.agent.body(request)
        (size, is_bound), max_output = self.agent.size(request, body), self.agent.max_output(request)
        if self._capped and not is_bound:
            raise InputError(
                "a budget cannot bound what this item costs: nothing says how many tokens its document, or the image "
                "behind its URL, can take; leave out budget_usd, or set a model whose context window is known",
                code="unbounded_cost",
            )
        # A byte-level tokenizer makes at most one token of each byte: a bound that no tokenizer has to be asked for.
        usd = price.at_most(size, max_output or 0) if self._bounded and price else 0.0
        tokens, headroom = self._tokens(size, max_output)
        return Reservation(tokens, usd, None, None, size, None, probe, headroom=headroom)

    def _tokens(self, body_bytes: int, max_output: int | None) -> tuple[int, int]:
        """Tokens to reserve for a call, and the headroom that a window must have beyond them."""
        estimate = self.limits.estimate
        limit = None
        for rate in self._rates:  # not by a generator, which would cost more than all the rest of this
            own = rate.token_limit
            if own is not None and (limit is None or own < limit):
                limit = own
        if limit is None:
            return estimate.tokens(body_bytes, max_output or 0), 0
        # Where nothing bounds an answer and none has told its length, a few calls go first.
        output, headroom = estimate.output(max_output) or (limit // _FIRST_CALLS, 0)
        bound = estimate.tokens(body_bytes, output)
        if bound > limit >= estimate.likely(body_bytes, output):
            bound = limit  # the bound errs on the safe side, and must not fail a call that will fit a whole window
        return bound, headroom

    def answered(self, reservation: Reservation, completion: Completion, now: float) -> float | None:
        """Book an answer; its cost in USD, or None if it cannot be known."""
        usage, limits, setup = completion.usage, self.limits, self.setup
        setup.works, setup.in_a_row = True, 0
        if limits.troubled or self._adaptive or reservation.body_bytes or completion.headers:
            with limits.lock:
                self._learn(reservation, completion, now)
        if usage is None:
            return None
        reservation.used_tokens = usage.total_tokens
        price, own = self.price, reservation.price
        if own is not False:
            price = own if isinstance(own, Price) else None
        reservation.used_usd = usd = price.cost(usage) if price is not None else None
        return usd

    def _learn(self, reservation: Reservation, completion: Completion, now: float) -> None:
        usage, limits = completion.usage, self.limits
        if limits.troubled:
            limits.breaker.succeeded(reservation)
            for rate in self._rates:
                rate.answered()
        if self._adaptive:
            for slots in self._slots:
                slots.answered(now - reservation.sent_at, usage.output_tokens if usage is not None else 0, now)
        if completion.headers:
            self._observe_headers(completion.headers, reservation, now)
        if usage is not None and reservation.body_bytes:
            limits.estimate.learn(reservation.body_bytes, usage.input_tokens, usage.output_tokens)

    def failed(self, reservation: Reservation, error: KaizenBatchError, index: int, now: float) -> float:
        """Book a call that ended without an answer; seconds of the pause that this starts, 0.0 if none.

        Raises: EndpointDownError when the endpoint has failed for too long.
        """
        if not error.may_be_billed:
            reservation.used_usd = 0.0
        self.setup.judge(error, index)
        unreached = self.setup.connecting(error, reservation.sent_at)
        with self.limits.lock:
            if unreached:
                return self._wait_for_endpoint(reservation, error, now)
            pause_s = self._learn_failure(reservation, error, index, now)
        if pause_s is None:
            raise EndpointDownError(
                f"the endpoint failed every call, the probes included; the last error: {error.message}; run the same "
                "batch again when it is back: with a journal, only the missing items are asked"
            ) from error
        return pause_s

    def _wait_for_endpoint(self, reservation: Reservation, error: KaizenBatchError, now: float) -> float:
        breaker = self.limits.breaker
        self.limits.watch_out()
        breaker.cause, breaker.unreached = _cause(error), True
        breaker.pause(RECONNECT_S, reservation.sent_at, now)
        return 0.0

    def unreachable(self, now: float, seconds: float) -> EndpointDownError | None:
        """The error of an endpoint that has accepted no connection for so long, and never before; else None."""
        since, last = self.unreachable_since, self.setup.last
        if since is None or now - since < seconds:
            return None
        why = last.message if last is not None else "no connection"
        return EndpointDownError(
            f"{self.endpoint or 'the endpoint'} accepts no connection, for {seconds:g} s: {why}; check base_url, or "
            "pass wait_for_endpoint_s=300 if it is about to start"
        )

    @property
    def unreachable_since(self) -> float | None:
        """Since when the endpoint, which was never reached, has been tried, on the loop's clock; else None."""
        return None if self.setup.works else self.setup.unreachable_since

    def _learn_failure(self, reservation: Reservation, error: KaizenBatchError, index: int, now: float) -> float | None:
        limits = self.limits
        if isinstance(error, ProviderError):
            self._observe_headers(error.headers, reservation, now)
        if isinstance(error, ThrottledError | OverloadedError):
            for slots in self._slots:
                slots.throttled(now)
        if isinstance(error, ThrottledError):
            self._learn_throttle(error, reservation, now)
        elif limits.troubled:
            for rate in self._rates:
                rate.answered()  # not refused as too fast
        if isinstance(error, BadRequestError):
            limits.breaker.succeeded(reservation)
        if not isinstance(error, ServerError | NoAnswerError):
            return 0.0
        limits.watch_out()
        pause_s = limits.breaker.failed(index, reservation.sent_at, now)
        if pause_s:
            limits.breaker.cause = _cause(error)
        return pause_s

    def _learn_throttle(self, error: ThrottledError, reservation: Reservation, now: float) -> None:
        # At once, before this call passes its slot on; the retry policy may make the pause longer.
        limits = self.limits
        limits.watch_out()
        limits.breaker.cause = _cause(error)
        asked = error.retry_after_s is not None
        limits.breaker.pause(error.retry_after_s or 0.0, reservation.sent_at, now, asked=asked)
        for rate in self._rates:
            rate.throttled(error.retry_after_s, reservation.sent_at, now)
        if limits.rate.active:
            limits.activate(limits.rate)

    def moves(self, reservation: Reservation | None, error: KaizenBatchError) -> bool:
        """Whether the item can go to another endpoint at once."""
        return False

    def pause(self, seconds: float, reservation: Reservation, now: float) -> None:
        """Let no call through for so long: the endpoint asked for it when this call was sent."""
        with self.limits.lock:
            self.limits.watch_out()
            self.limits.breaker.pause(seconds, reservation.sent_at, now)

    def close(self, error: KaizenBatchError) -> None:
        """Serve this run no more: the endpoint fails every item alike."""
        self.error = self.error or error
        if not self.queue.closed:  # else the run is over, and that is what the others are told
            self.queue.close(error)

    def _observe_headers(self, headers: Mapping[str, str], reservation: Reservation, now: float) -> None:
        limits_seen = read_rate_limit_headers(headers) if headers else None
        if limits_seen is not None:
            self.limits.activate(self.limits.rate)
            self.limits.rate.observe(limits_seen, reservation.sent_at, now, reservation=reservation)
            self.sized = self._is_sized()


def _timeout_s(agent: Agent, config: RunConfig, is_fallback: bool) -> float:
    seconds = agent.config.timeout_s if is_fallback and agent.config is not None else config.timeout_s
    return math.inf if seconds is None or agent.keeps_timeout(seconds) else seconds


def _cause(error: KaizenBatchError) -> str:
    """Why an endpoint pauses, for displays: no text of the endpoint, which may quote a prompt, and no address."""
    status = error.status if isinstance(error, ProviderError) else None
    return f"HTTP {status}, {error.code}" if status is not None else error.message.partition(": ")[2] or error.message


def _check_budget(price: Price | None, agent: Agent) -> None:
    name, where = agent.name or type(agent).__name__, agent.endpoint or "its endpoint"
    if price is None:
        raise ConfigError(
            f"budget_usd needs to know what {name} costs at {where}, and the price list does not say: "
            'pass price={"input": ..., "output": ...}, in USD for a million tokens'
        )
    if agent.max_output(None) is None:
        raise ConfigError(f"budget_usd needs a bound for each answer of {name}: set max_tokens")
