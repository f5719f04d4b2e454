"""Several endpoints as one upstream: each learns from its own calls, and the run ends only with the last."""

from typing import Any

import pytest

from kaizen_batch import (
    AuthenticationError,
    BatchConfig,
    Completion,
    EndpointDownError,
    MockProvider,
    ServerError,
    ThrottledError,
    Usage,
)
from kaizen_batch.agents import Agent, create_agent
from kaizen_batch.engine.replicas import Replicas, upstream_of
from kaizen_batch.engine.upstream import Upstream
from kaizen_batch.limits import Reservation
from tests.engine.runs import run_state

URLS = ["http://a/v1", "http://b/v1"]


def agent(**options: Any) -> Agent:
    return create_agent(BatchConfig(base_url=URLS, endpoint_name="ours", api_key="k", max_tokens=20, **options))


def replicas(made: Agent | None = None, **options: Any) -> Replicas:
    found = run_state(made or agent(), **options).upstreams[0]
    assert isinstance(found, Replicas)
    return found


def sent(fleet: Replicas, number: int, **of: Any) -> Reservation:
    """A call at this endpoint."""
    reservation = Reservation(endpoint=1 - number, **of)
    assert fleet.queue.try_acquire(reservation, 1.0)
    assert reservation.endpoint == number
    reservation.sent_at = 1.0
    return reservation


def test_one_endpoint_has_no_replicas() -> None:
    single = create_agent(BatchConfig(llm_provider="mock"), None, MockProvider())
    run = run_state(single)
    assert type(upstream_of(single, run.config, run.limits)) is Upstream


def test_a_throttle_pauses_only_the_endpoint_that_sent_it() -> None:
    fleet = replicas()
    error = ThrottledError("slow down", retry_after_s=3.0)
    fleet.failed(sent(fleet, 0), error, 0, 1.0)
    first, second = fleet.members
    assert first.limits.breaker.delay(Reservation(), 1.0) == pytest.approx(3.0)
    assert second.limits.breaker.delay(Reservation(), 1.0) == 0.0
    assert fleet.queue.try_acquire(Reservation(), 1.0)


def test_a_failed_item_moves_while_another_endpoint_is_healthy() -> None:
    fleet = replicas()
    error = ServerError("500")
    call, other = sent(fleet, 0), sent(fleet, 1)
    fleet.failed(call, error, 0, 2.0)
    assert fleet.moves(call, error)
    fleet.failed(other, error, 1, 2.0)
    assert not fleet.moves(call, error)  # the other one fails as well


def test_a_wrong_key_takes_one_endpoint_out_and_ends_the_run_at_the_last() -> None:
    fleet = replicas()
    first = AuthenticationError("refused", status=401)
    fleet.failed(sent(fleet, 0), first, 0, 1.0)
    assert (first.fatal, first.retryable) == (False, True)
    assert fleet.members[0].error is first and fleet.error is None
    last = AuthenticationError("refused", status=401)
    fleet.failed(sent(fleet, 1), last, 1, 1.0)
    assert last.fatal


def test_the_next_run_tries_an_endpoint_again_that_was_out() -> None:
    made = agent()
    fleet = replicas(made)
    fleet.failed(sent(fleet, 0), AuthenticationError("refused", status=401), 0, 1.0)
    again = replicas(made)
    assert again.members[0].error is None
    assert {sent(again, number).endpoint for number in (0, 1)} == {0, 1}


def test_all_endpoints_down_end_the_run() -> None:
    fleet, now = replicas(), 1.0
    with pytest.raises(EndpointDownError, match="all 2 endpoints failed every call"):
        for item in range(1000):
            fleet.failed(Reservation(endpoint=item % 2, sent_at=now), ServerError("500"), item, now)
            now += 100.0


def test_an_answer_is_learned_by_its_endpoint_and_counted_once() -> None:
    fleet = replicas(price={"input": 1.0, "output": 2.0}, budget_usd=1.0)
    call = fleet.reservation(None, b"x" * 100, None)
    assert call.usd > 0 and fleet.queue.try_acquire(call, 1.0)
    headers = {"x-ratelimit-limit-requests": "100", "x-ratelimit-remaining-requests": "99"}
    cost = fleet.answered(call, Completion(text="x", usage=Usage(30, 10), headers=headers), 2.0)
    assert cost == pytest.approx(50e-6)
    rates = [member.limits.rate.active for member in fleet.members]
    assert rates.count(True) == 1 and rates[call.endpoint]


def test_the_limits_of_the_endpoints_hold_over_all_runs_of_the_agent() -> None:
    made = agent()
    one, other = replicas(made), replicas(made)
    assert [member.limits for member in one.members] == [member.limits for member in other.members]
    call = sent(one, 0)
    assert other.members[0].limits.in_flight.calls == 1
    one.queue.release(call, 2.0)
    assert other.members[0].limits.in_flight.calls == 0
