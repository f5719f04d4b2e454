"""Placing calls at several endpoints: where most capacity is free, never where a limit holds, and released exactly."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch import ItemTooLargeError
from kaizen_batch.limits import ConcurrencyLimiter, EndpointChoice, RateLimiter, Reservation, UpstreamLimits
from kaizen_batch.limits.rate import RateLimit


def limits(slots: int = 4, *rates: RateLimit) -> UpstreamLimits:
    return UpstreamLimits(ConcurrencyLimiter(slots), RateLimiter(rates))


def choice(*members: UpstreamLimits, weights: list[float] | None = None) -> EndpointChoice:
    return EndpointChoice(list(zip(members, weights or [1.0] * len(members), strict=True)))


def placed(choice: EndpointChoice, now: float = 0.0, **of: Any) -> Reservation:
    reservation = Reservation(**of)
    assert choice.delay(reservation, now) == 0.0
    choice.reserve(reservation, now)
    return reservation


def test_equal_endpoints_take_turns() -> None:
    fleet = choice(limits(), limits(), limits())
    assert [placed(fleet).endpoint for _ in range(6)] == [0, 1, 2, 0, 1, 2]


def test_a_call_goes_where_most_capacity_is_free() -> None:
    fleet = choice(limits(2), limits(8))
    assert [placed(fleet).endpoint for _ in range(5)].count(1) == 4


def test_a_weight_gives_a_larger_share() -> None:
    fleet = choice(limits(100), limits(100), weights=[1.0, 3.0])
    assert [placed(fleet).endpoint for _ in range(40)].count(1) == 30


def test_all_full_waits_for_the_end_of_a_call_and_the_freed_endpoint_gets_the_next() -> None:
    fleet = choice(limits(1), limits(1))
    first, _ = placed(fleet), placed(fleet)
    assert fleet.delay(Reservation(), 0.0) == math.inf and fleet.name == "a free slot"
    fleet.commit(first, 1.0)
    assert placed(fleet).endpoint == first.endpoint


def test_a_repeated_call_goes_elsewhere_if_it_can() -> None:
    fleet = choice(limits(1), limits(8))
    assert placed(fleet, endpoint=1).endpoint == 0
    assert placed(fleet, endpoint=1).endpoint == 1


def test_the_soonest_endpoint_says_how_long_to_wait() -> None:
    one, other = limits(), limits()
    fleet = choice(one, other)
    for each, seconds in ((one, 30.0), (other, 5.0)):
        each.watch_out()
        each.breaker.pause(seconds, 0.0, 0.0)
    assert fleet.delay(Reservation(), 1.0) == pytest.approx(4.0)
    assert placed(fleet, now=6.0).endpoint == 1


def test_a_call_that_fits_one_endpoint_is_no_error() -> None:
    small, large = limits(4, RateLimit("tokens", 10)), limits(4, RateLimit("tokens", 1000))
    fleet = choice(small, large)
    fleet.check(Reservation(tokens=500))
    assert placed(fleet, tokens=500).endpoint == 1
    with pytest.raises(ItemTooLargeError):
        fleet.check(Reservation(tokens=5000))


def test_an_endpoint_that_is_out_gets_nothing() -> None:
    fleet = choice(limits(), limits())
    fleet.out.add(0)
    assert {placed(fleet).endpoint for _ in range(4)} == {1}
    assert fleet.delay(Reservation(), 0.0) == math.inf


def test_an_open_circuit_among_others_is_probed_for_ever() -> None:
    one, other = limits(), limits()
    fleet = choice(one, other)
    one.watch_out()
    now = 0.0
    for item in range(200):
        one.breaker.failed(item, now, now)
        now += 100.0
    assert one.breaker.is_given_up and not one.breaker.is_healthy
    assert placed(fleet, now=now).endpoint == 0  # its probe
    assert fleet.has_healthy_beside(0) and not fleet.has_healthy_beside(1)


@given(
    st.lists(st.integers(1, 3), min_size=1, max_size=4),
    st.lists(st.tuples(st.sampled_from(["go", "end", "pause"]), st.integers(0, 20)), max_size=60),
)
def test_no_endpoint_has_more_calls_than_slots_and_all_are_released(
    slots: list[int], steps: list[tuple[str, int]]
) -> None:
    members = [limits(each) for each in slots]
    fleet, under_way, now = choice(*members), list[Reservation](), 0.0
    for step, number in steps:
        now += 1.0
        member = members[number % len(members)]
        if step == "end" and under_way:
            fleet.commit(under_way.pop(number % len(under_way)), now)
        elif step == "pause":
            member.watch_out()
            member.breaker.pause(float(number), now, now)
        elif fleet.delay(Reservation(), now) == 0.0:
            under_way.append(placed(fleet, now))
        assert [each.in_flight.calls for each in members] == [
            sum(call.endpoint == place for call in under_way) for place in range(len(members))
        ]
        assert all(each.in_flight.calls <= most for each, most in zip(members, slots, strict=True))
    for call in under_way:
        fleet.commit(call, now)
    assert all(each.slots is not None and each.slots.in_flight == 0 for each in members)
