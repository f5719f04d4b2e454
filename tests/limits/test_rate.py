"""No minute of the endpoint's ever holds more than allowed, every call gets through, and announcements steer."""

import heapq
import math
import random
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaizen_batch.errors import ConfigError, ItemTooLargeError
from kaizen_batch.limits.rate import RateLimiter, rate_limits
from kaizen_batch.limits.rate_limit_headers import HeaderWindow, RateLimitHeaders
from kaizen_batch.limits.reservation import Limit, Reservation

WINDOW_S = 60.0


@dataclass
class Call:
    """One call of a simulation; `on_the_way` is the part of its time after which the endpoint counts it."""

    ready_at: float
    reserved: int
    used: int
    latency_s: float
    on_the_way: float


@dataclass
class Simulation:
    """A client that goes first in, first out and sleeps for as long as the limiter says, and the endpoint's log."""

    limiter: RateLimiter
    calls: list[Call]
    drift: float = 0.0
    announced: dict[int, RateLimitHeaders] = field(default_factory=dict)  # after the end of the n-th call
    log: list[tuple[float, int]] = field(default_factory=list)
    ended_at: float = 0.0

    def run(self) -> None:
        waiting: deque[Call] = deque()
        moments = [(call.ready_at, number, "ready", call, Reservation()) for number, call in enumerate(self.calls)]
        heapq.heapify(moments)
        number, settled, in_flight, promised = len(moments), 0, 0, math.inf
        now = 0.0
        while moments or waiting:
            at = min(promised, moments[0][0] if moments else math.inf)
            assert at < math.inf, "a call hangs"
            alone = not moments or moments[0][0] > promised  # nothing else happened until the promised moment
            now = at
            if not alone:
                _, _, what, call, reservation = heapq.heappop(moments)
                if what == "ready":
                    waiting.append(call)
                else:
                    reservation.used_tokens = call.used
                    self.limiter.commit(reservation, now)
                    in_flight -= 1
                    if settled in self.announced:
                        self.limiter.observe(self.announced[settled], now - call.latency_s, now)
                    settled += 1
            first = True
            promised = math.inf
            while waiting:
                reservation = Reservation(tokens=waiting[0].reserved)
                delay = self.limiter.delay(reservation, now)
                if delay:
                    assert not (alone and first), f"asked for {delay} s more at the promised moment"
                    assert delay < math.inf or in_flight, "waits for calls in flight, and there are none"
                    promised = now + delay
                    break
                first = False
                call = waiting.popleft()
                self.limiter.reserve(reservation, now)
                in_flight += 1
                number += 1
                self.log.append(((now + call.latency_s * call.on_the_way) * (1 + self.drift), call.used))
                heapq.heappush(moments, (now + call.latency_s, number, "end", call, reservation))
        self.ended_at = now

    def most_in_a_window(self) -> tuple[int, int]:
        """The most requests and tokens in any half-open minute: one of them begins with a call."""
        log = sorted(self.log)
        most_requests = most_tokens = tokens = first = 0
        for last, (at, used) in enumerate(log):
            tokens += used
            while log[first][0] <= at - WINDOW_S:
                tokens -= log[first][1]
                first += 1
            most_requests = max(most_requests, last - first + 1)
            most_tokens = max(most_tokens, tokens)
        return most_requests, most_tokens


@st.composite
def _calls(draw: st.DrawFn, most_tokens: int) -> list[Call]:
    seconds = st.floats(0, 200) | st.just(0.0) | st.just(WINDOW_S)
    calls = []
    for _ in range(draw(st.integers(1, 25))):
        reserved = draw(st.integers(0, most_tokens))
        used = draw(st.integers(0, reserved) | st.just(reserved))
        calls.append(
            Call(draw(seconds), reserved, used, draw(seconds), draw(st.floats(0, 1) | st.sampled_from([0, 1])))
        )
    return calls


def _longest(calls: list[Call]) -> float:
    return max(call.latency_s for call in calls)


@settings(max_examples=100, deadline=None)
@given(st.data(), st.integers(1, 10), st.integers(1, 1000), st.floats(-9e-4, 9e-4), st.floats(0, 1e7))
def test_no_minute_holds_more_and_every_call_gets_through(
    data: st.DataObject, rpm: int, tpm: int, drift: float, start: float
) -> None:
    calls = data.draw(_calls(tpm))
    for call in calls:
        call.ready_at += start
    limiter = RateLimiter(rate_limits(requests_per_minute=rpm, tokens_per_minute=tpm), pacing="burst")
    simulation = Simulation(limiter, calls, drift)
    simulation.run()
    assert len(simulation.log) == len(calls)
    most_requests, most_tokens = simulation.most_in_a_window()
    assert most_requests <= rpm
    assert most_tokens <= tpm
    # Two neighbouring fillings of the token window hold more than one limit together, else they were one.
    fillings = len(calls) / rpm + 2 * sum(call.reserved for call in calls) / tpm + 2
    last = max(call.ready_at for call in calls)
    assert simulation.ended_at - last <= fillings * (WINDOW_S * 1.002 + _longest(calls)) + 1


_STEPS = st.tuples(st.sampled_from(["take", "settle"]), st.integers(0, 400), st.integers(0, 600), st.floats(0, 90))


@given(st.none() | st.integers(1, 5), st.none() | st.integers(1, 1000), st.lists(_STEPS, max_size=40))
def test_the_quick_answer_is_the_thorough_one(rpm: int | None, tpm: int | None, steps: list[Any]) -> None:
    quick, thorough = (RateLimiter(rate_limits(requests_per_minute=rpm, tokens_per_minute=tpm)) for _ in range(2))
    out: deque[tuple[Reservation, Reservation]] = deque()
    now = 0.0
    for what, tokens, used, seconds in steps:
        now += seconds
        for window in (*thorough._requests, *thorough._tokens):
            window.room = -math.inf
        if what == "take":
            tickets = Reservation(tokens=min(tokens, tpm or tokens)), Reservation(tokens=min(tokens, tpm or tokens))
            delays = quick.delay(tickets[0], now), thorough.delay(tickets[1], now)
            assert delays[0] == delays[1]
            if delays[0] == 0.0:
                out.append(tickets)
                quick.reserve(tickets[0], now)
                thorough.reserve(tickets[1], now)
        elif out:
            for limiter, reservation in zip((quick, thorough), out.popleft(), strict=True):
                reservation.used_tokens = used
                limiter.commit(reservation, now)


@pytest.mark.parametrize("latency_s", [0.5, 10.0, 60.0])
def test_the_rate_is_the_limit_over_window_and_latency(latency_s: float) -> None:
    draw = random.Random(1)
    calls = [Call(0.0, 100, 100, latency_s * draw.uniform(0.2, 1), draw.random()) for _ in range(1000)]
    limits = rate_limits(requests_per_minute=100, tokens_per_minute=10_000)
    simulation = Simulation(RateLimiter(limits, pacing="burst"), calls)
    simulation.run()
    assert simulation.most_in_a_window() == (100, 10_000)
    assert simulation.ended_at <= 10 * (WINDOW_S * 1.002 + latency_s)


def _windows() -> st.SearchStrategy[HeaderWindow]:
    count = st.none() | st.integers(0, 1200)
    return st.builds(
        HeaderWindow, st.none() | st.integers(1, 1200), count, st.none() | st.floats(0, 100) | st.just(86_400.0)
    )


@settings(max_examples=100, deadline=None)
@given(st.data(), st.integers(1, 10), st.integers(1, 1000), st.booleans())
def test_whatever_is_announced_the_configured_limit_holds_and_nothing_hangs(
    data: st.DataObject, rpm: int, tpm: int, configured: bool
) -> None:
    limiter = RateLimiter(rate_limits(requests_per_minute=rpm, tokens_per_minute=tpm)) if configured else RateLimiter()
    said = data.draw(st.dictionaries(st.integers(0, 30), st.builds(RateLimitHeaders, _windows(), _windows())))
    simulation = Simulation(limiter, data.draw(_calls(tpm)), announced=said)
    try:
        simulation.run()
    except ItemTooLargeError:
        assert any(announced.tokens.limit is not None for announced in said.values())
    most_requests, most_tokens = simulation.most_in_a_window()
    assert not configured or (most_requests <= rpm and most_tokens <= tpm)


class SharedKey:
    """An endpoint as OpenAI's: a bucket that refills steadily; another client takes `other` of it, at random times."""

    def __init__(self, limit: int, other: float, draw: random.Random) -> None:
        self.limit, self.rate, self.draw = limit, limit / WINDOW_S, draw
        self.left, self.at, self.other = float(limit), 0.0, other
        self.next_other = 0.0

    def _to(self, now: float) -> None:
        self.left = min(self.limit, self.left + (now - self.at) * self.rate)
        self.at = now

    def call(self, now: float) -> tuple[bool, RateLimitHeaders]:
        """Whether the call is let through, and the headers of the answer."""
        while self.next_other <= now:
            self._to(self.next_other)
            self.left -= 1 if self.left >= 1 else 0
            self.next_other += self.draw.expovariate(self.rate * self.other)
        self._to(now)
        allowed = self.left >= 1
        self.left -= allowed
        reset_s = (self.limit - self.left) / self.rate
        return allowed, RateLimitHeaders(HeaderWindow(self.limit, int(self.left), reset_s))


def _share_the_key(limiter: RateLimiter, *, listen: bool, seconds: float = 600.0) -> tuple[int, int]:
    """Calls that were answered and calls that were refused, of a client that always wants to call."""
    draw = random.Random(7)
    server = SharedKey(120, 0.5, draw)
    moments: list[tuple[float, int, str, float, tuple[bool, RateLimitHeaders]]] = []
    nothing = (True, RateLimitHeaders())
    answered = refused = number = 0
    now, wake_at = 0.0, 0.0
    while now < seconds:
        if moments and moments[0][0] <= wake_at:
            now, _, what, sent_at, answer = heapq.heappop(moments)
            if what == "counted":
                number += 1
                heapq.heappush(moments, (now + draw.uniform(0.2, 4), number, "end", sent_at, server.call(now)))
            else:
                limiter.commit(Reservation(), now)
                answered, refused = answered + answer[0], refused + (not answer[0])
                if listen:
                    limiter.observe(answer[1], sent_at, now)
        else:
            now = wake_at
        while not (delay := limiter.delay(Reservation(), now)) and len(moments) < 50:
            limiter.reserve(Reservation(), now)
            number += 1
            heapq.heappush(moments, (now + draw.uniform(0.02, 0.3), number, "counted", now, nothing))
        wake_at = now + delay if delay else math.inf
    return answered, refused


@pytest.mark.parametrize("rpm", [120, None])
def test_another_client_of_the_key_costs_few_refusals(rpm: int | None) -> None:
    deaf = _share_the_key(RateLimiter(rate_limits(requests_per_minute=rpm)), listen=False)
    answered, refused = _share_the_key(RateLimiter(rate_limits(requests_per_minute=rpm)), listen=True)
    assert refused <= 0.03 * answered
    assert refused < deaf[1] / 20
    assert answered >= 0.9 * 10 * 60  # of ten minutes of 120, half


def _requests(limit: int | None, remaining: int | None, reset_s: float | None) -> RateLimitHeaders:
    return RateLimitHeaders(requests=HeaderWindow(limit, remaining, reset_s))


def _tokens(limit: int | None, remaining: int | None, reset_s: float | None) -> RateLimitHeaders:
    return RateLimitHeaders(tokens=HeaderWindow(limit, remaining, reset_s))


def test_an_answer_that_was_overtaken_brings_no_old_credit_back() -> None:
    limiter = RateLimiter()
    limiter.observe(_requests(40, 0, 40.0), sent_at=2.0, now=5.0)
    limiter.observe(_requests(40, 30, 10.0), sent_at=1.0, now=6.0)
    assert limiter.delay(Reservation(), 5.5) == pytest.approx(0.5)
    limiter.observe(_requests(40, 30, 10.0), sent_at=3.0, now=7.0)
    assert limiter.delay(Reservation(), 7.0) == 0.0


def test_calls_in_flight_lower_the_credit_but_not_the_one_that_was_answered() -> None:
    limiter = RateLimiter()
    calls = [Reservation(tokens=100) for _ in range(3)]
    for call in calls:
        limiter.reserve(call, 0.0)
    limiter.observe(_tokens(600, 312, 28.8), sent_at=0.0, now=1.0, reservation=calls[0])
    assert limiter.delay(Reservation(tokens=100), 1.0) == 0.0
    assert limiter.delay(Reservation(tokens=110), 1.0) == pytest.approx(1.0)
    limiter.reserve(Reservation(tokens=100), 1.0)
    assert limiter.delay(Reservation(tokens=10), 1.0) == pytest.approx(1.0)


def test_a_call_that_took_more_than_it_reserved_lowers_the_credit() -> None:
    limiter = RateLimiter()
    limiter.observe(_tokens(600, 312, 28.8), sent_at=0.0, now=0.0)
    limiter.reserve(Reservation(tokens=100), 0.0)
    limiter.commit(Reservation(tokens=100, used_tokens=250), 0.0)
    assert limiter.delay(Reservation(tokens=60), 0.0) == pytest.approx(1.0)


def test_only_the_empty_window_holds() -> None:
    limiter = RateLimiter()
    limiter.observe(RateLimitHeaders(HeaderWindow(40, 0, 40.0), HeaderWindow(600, 600, 0.0)), 0.0, 0.0)
    assert limiter.delay(Reservation(tokens=600), 0.0) == pytest.approx(1.0)
    assert limiter.name == "the request window"
    limiter.observe(RateLimitHeaders(HeaderWindow(60, 60, 0.0), HeaderWindow(600, 0, 60.0)), 0.0, 0.0)
    assert limiter.delay(Reservation(tokens=20), 0.0) == pytest.approx(3.2)
    assert limiter.name == "the token window"


def test_an_announced_limit_tightens_the_window_for_as_long_as_it_is_announced() -> None:
    limiter = RateLimiter(rate_limits(requests_per_minute=10))
    limiter.observe(_requests(2, None, None), 0.0, 0.0)
    for _ in range(2):
        assert limiter.delay(Reservation(), 0.0) == 0.0
        limiter.reserve(Reservation(), 0.0)
        limiter.commit(Reservation(), 0.0)
    assert limiter.delay(Reservation(), 0.0) == pytest.approx(60.06, abs=0.01)
    limiter.observe(_requests(None, 100, 1.0), 1.0, 1.0)
    assert limiter.delay(Reservation(), 1.0) == 0.0


def test_an_announced_limit_does_not_loosen_a_configured_one() -> None:
    limiter = RateLimiter(rate_limits(requests_per_minute=1))
    limiter.observe(_requests(1000, 1000, 0.0), 0.0, 0.0)
    limiter.reserve(Reservation(), 0.0)
    assert limiter.delay(Reservation(), 0.0) == math.inf


def test_a_call_that_never_fits_says_how_to_fix_it() -> None:
    limiter = RateLimiter(rate_limits(tokens_per_minute=30_000))
    limiter.check(Reservation(tokens=30_000))
    with pytest.raises(
        ItemTooLargeError, match=r"45,000 tokens .* 30,000 .*max_tokens, or raise tokens_per_min"
    ) as caught:
        limiter.check(Reservation(tokens=45_000))
    assert caught.value.code == "never_fits"
    limiter.observe(_tokens(8_000, None, None), 0.0, 0.0)
    with pytest.raises(ItemTooLargeError, match=r"8,000 a minute are allowed .announced by the endpoint"):
        limiter.check(Reservation(tokens=9_000))


def test_a_call_that_waits_while_its_limit_is_lowered_fails_and_does_not_hang() -> None:
    limiter = RateLimiter(rate_limits(tokens_per_minute=100))
    limiter.check(Reservation(tokens=90))
    limiter.observe(_tokens(80, None, None), 0.0, 0.0)
    with pytest.raises(ItemTooLargeError):
        limiter.delay(Reservation(tokens=90), 0.0)


def test_a_reservation_needs_tokens_only_if_tokens_are_limited() -> None:
    assert RateLimiter(rate_limits(tokens_per_minute=1)).counts_tokens
    limiter = RateLimiter(rate_limits(requests_per_minute=1))
    assert not limiter.counts_tokens
    limiter.observe(_requests(2, 2, 1.0), 0.0, 0.0)
    assert not limiter.counts_tokens
    limiter.observe(_tokens(None, 2, 1.0), 0.0, 0.0)
    assert limiter.counts_tokens


def test_tokens_that_were_not_used_are_free_at_once_and_those_used_beyond_count() -> None:
    limiter = RateLimiter(rate_limits(tokens_per_minute=100))
    limiter.reserve(Reservation(tokens=100), 0.0)
    assert limiter.delay(Reservation(tokens=1), 0.0) == math.inf
    assert limiter.name == "the token window"
    limiter.commit(Reservation(tokens=100, used_tokens=40), 1.0)
    assert limiter.delay(Reservation(tokens=60), 1.0) == 0.0
    limiter.reserve(Reservation(tokens=60), 1.0)
    limiter.commit(Reservation(tokens=60, used_tokens=90), 2.0)
    assert limiter.delay(Reservation(tokens=0), 2.0) == pytest.approx(59.06, abs=0.01)
    assert limiter.delay(Reservation(tokens=11), 2.0) == pytest.approx(60.06, abs=0.01)


@pytest.mark.parametrize("used", [None, -5, 10**30])
def test_whatever_usage_is_reported_the_limiter_goes_on(used: int | None) -> None:
    limiter = RateLimiter(rate_limits(tokens_per_minute=100))
    limiter.reserve(Reservation(tokens=100), 0.0)
    limiter.commit(Reservation(tokens=100, used_tokens=used), 0.0)
    assert limiter.delay(Reservation(tokens=100), 61.0) == 0.0


def test_memory_is_that_of_the_last_minute() -> None:
    limiter = RateLimiter(rate_limits(requests_per_minute=1000))
    for call in range(100_000):
        assert limiter.delay(Reservation(), call * 0.1) == 0.0
        limiter.reserve(Reservation(), call * 0.1)
        limiter.commit(Reservation(), call * 0.1)
    assert len(limiter._requests[0]._sums) < 2 * 1024 + 700


@pytest.mark.parametrize(
    "options",
    [
        {"requests_per_minute": 0},
        {"tokens_per_minute": -1},
        {"requests_per_second": 0},
        {"requests_per_day": -5},
    ],
)
def test_a_senseless_option_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        rate_limits(**options)


def test_it_is_a_limit() -> None:
    limit: Limit = RateLimiter()
    assert limit.delay(Reservation(tokens=10**9), 0.0) == 0.0
