"""An endpoint as a run sees it: what its calls may take, what they cost, and what it teaches the limits."""

import pytest

from kaizen_batch import (
    BatchConfig,
    Completion,
    ConfigError,
    EndpointDownError,
    MockProvider,
    Price,
    ServerError,
    ThrottledError,
    Usage,
)
from kaizen_batch.agents import Agent, create_agent
from kaizen_batch.engine.upstream import Upstream
from kaizen_batch.limits import Reservation
from tests.engine.runs import run_state

BODY = b"x" * 100


def upstream(agent: Agent | None = None, **options: object) -> Upstream:
    agent = agent or create_agent(BatchConfig(llm_provider="mock", max_tokens=20), None, MockProvider())
    return run_state(agent, **options).upstreams[0]


def test_without_limits_on_tokens_or_money_nothing_is_reserved() -> None:
    free = upstream()
    assert not free.sized
    assert (free.reservation(None, None, None).tokens, free.reservation(None, None, None).usd) == (0, 0.0)


def test_a_reservation_bounds_the_call_by_its_bytes_and_max_tokens() -> None:
    bounded = upstream(budget_usd=1.0, price={"input": 1.0, "output": 2.0})
    assert bounded.sized
    reservation = bounded.reservation(None, BODY, None)
    assert reservation.tokens >= 100 + 20
    assert reservation.usd == Price(1.0, 2.0).at_most(100, 20)


def test_a_call_that_fits_a_whole_window_is_never_too_large_for_it() -> None:
    limited = upstream(tokens_per_minute=60)
    assert limited.reservation(None, BODY, None).tokens == 60


def test_an_answer_replaces_the_reservation() -> None:
    bounded = upstream(budget_usd=1.0, price={"input": 1.0, "output": 2.0})
    reservation = bounded.reservation(None, BODY, None)
    cost = bounded.answered(reservation, Completion(text="x", usage=Usage(30, 10)), 1.0)
    assert cost == reservation.used_usd == pytest.approx(50e-6)
    assert reservation.used_tokens == 40


def test_an_answer_without_usage_has_no_known_cost() -> None:
    bounded = upstream(budget_usd=1.0, price={"input": 1.0, "output": 2.0})
    reservation = bounded.reservation(None, BODY, None)
    assert bounded.answered(reservation, Completion(text="x"), 1.0) is None
    assert (reservation.used_tokens, reservation.used_usd) == (None, None)


def test_a_failed_call_costs_nothing_unless_it_may_be_billed() -> None:
    bounded = upstream(budget_usd=1.0, price={"input": 1.0, "output": 2.0})
    reservation = bounded.reservation(None, BODY, None)
    assert bounded.failed(reservation, ServerError("500"), 0, 1.0) == 0.0
    assert reservation.used_usd == 0.0


def test_a_throttle_pauses_the_endpoint_at_once() -> None:
    throttled = upstream()
    throttled.failed(Reservation(sent_at=0.5), ThrottledError("slow down", retry_after_s=3.0), 0, 1.0)
    assert throttled.limits.breaker.delay(Reservation(), 1.5) == pytest.approx(2.5)


def test_an_endpoint_that_keeps_failing_is_given_up() -> None:
    dead, now = upstream(), 1.0
    with pytest.raises(EndpointDownError, match="the endpoint failed every call"):
        for item in range(1000):
            dead.failed(Reservation(sent_at=now), ServerError("500"), item, now)
            now += 100.0


def test_a_closed_endpoint_keeps_its_first_error() -> None:
    closed = upstream()
    closed.close(ServerError("first"))
    closed.close(ServerError("second"))
    assert closed.error is not None and closed.error.message == "first"
    assert closed.queue.closed


def test_a_budget_needs_a_bound_for_each_answer() -> None:
    unbounded = create_agent(BatchConfig(llm_provider="mock", max_tokens=None), None, MockProvider())
    with pytest.raises(ConfigError, match="set max_tokens"):
        upstream(unbounded, budget_usd=1.0)
