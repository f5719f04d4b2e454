"""The gate: a throttle, the circuit breaker and slow start, on a clock that is a plain number."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch.limits import CircuitBreaker, Limit, Reservation

CALL = Reservation()


def breaker(in_flight: int = 0, *, ceiling: int = 10) -> CircuitBreaker:
    made = CircuitBreaker(ceiling)
    for _ in range(in_flight):
        made.reserve(CALL, 0.0)
    return made


def room(breaker: CircuitBreaker, now: float) -> int:
    """How many calls go now; more than 50 counts as any number."""
    count = 0
    while breaker.delay(CALL, now) == 0.0 and count < 50:
        breaker.reserve(CALL, now)
        count += 1
    for _ in range(count):
        breaker.commit(CALL, now)
    return count


def opened(*, times: int = 1) -> tuple[CircuitBreaker, float]:
    """A gate whose circuit opened so many times in a row, and the moment at which the last pause is over."""
    made, now = breaker(), 0.0
    for item in range(4):
        assert made.failed(item, 0.0, now) == 0.0
    for _ in range(times):
        pause_s = made.failed(4, now, now)
        assert pause_s
        now += pause_s
    return made, now


def test_it_is_a_limit_that_every_call_fits() -> None:
    limit: Limit = breaker()
    limit.check(Reservation(tokens=10**9, usd=1e9))
    assert limit.delay(CALL, 0.0) == 0.0


def test_a_closed_circuit_delays_no_call() -> None:
    assert room(breaker(), 0.0) == 50


# A throttle


def test_a_throttle_pauses_all_calls_for_its_seconds_whatever_ends_meanwhile() -> None:
    held = breaker(4)
    held.pause(30.0, 5.0, 10.0)
    assert held.delay(CALL, 10.0) == 30.0
    held.commit(CALL, 20.0)
    held.succeeded(CALL)
    assert held.delay(CALL, 20.0) == 20.0
    assert held.name == "a pause after a throttled call"


def test_a_longer_hold_stays_and_a_later_one_wins() -> None:
    held = breaker()
    held.pause(5.0, 0.0, 0.0)
    held.pause(1.0, 0.0, 1.0)
    assert held.delay(CALL, 1.0) == 4.0
    held.pause(3.0, 0.0, 4.0)
    assert held.delay(CALL, 4.0) == 3.0


def test_the_circuit_can_open_again() -> None:
    held = breaker()
    held.pause(1.0, 0.0, 0.0)
    assert held.delay(CALL, 2.0) == 0.0
    held.pause(1.0, 2.0, 2.0)
    assert held.delay(CALL, 2.0) == 1.0


def test_a_pause_of_zero_seconds_only_halves_the_calls() -> None:
    held = breaker(8)  # the one that was throttled among them
    held.pause(0.0, 0.0, 0.0)
    for _ in range(8):
        held.commit(CALL, 0.0)
    assert room(held, 0.0) == 4


@pytest.mark.parametrize(("before", "after"), [(1, 1), (2, 1), (3, 1), (4, 2), (9, 4), (10, 5)])
def test_after_a_throttle_half_as_many_calls_go(before: int, after: int) -> None:
    held = breaker(before)  # the one that was throttled among them
    held.pause(1.0, 0.0, 0.0)
    assert held.delay(CALL, 1.0) == math.inf
    for _ in range(before):
        held.commit(CALL, 1.0)
    assert room(held, 1.0) == after


def test_each_throttle_halves_again_down_to_one_call() -> None:
    held = breaker(10)
    rooms = []
    for second in range(5):
        held.pause(0.5, float(second), float(second))
        held.in_flight = 0
        rooms.append(room(held, second + 0.5))
    assert rooms == [5, 2, 1, 1, 1]


def test_a_burst_of_throttles_halves_once_and_the_longest_hold_counts() -> None:
    held = breaker(9)
    for late in range(9):
        held.pause(10.0 - late, sent_at=0.0, now=1.0 + late)
        held.commit(CALL, 1.0 + late)
    assert held.delay(CALL, 10.0) == 1.0
    assert room(held, 11.0) > 2


def test_each_success_lets_one_more_in_until_none_is_held_back() -> None:
    held = breaker(10, ceiling=8)
    held.pause(1.0, 0.0, 0.0)
    held.in_flight = 0
    rooms = []
    for _ in range(5):
        rooms.append(room(held, 1.0))
        held.succeeded(CALL)
    assert rooms == [5, 6, 7, 8, 50]


# The circuit


def test_five_different_items_that_fail_open_the_circuit_for_a_second() -> None:
    tripped = breaker()
    assert [tripped.failed(item, 1.0, 2.0) for item in range(5)] == [0.0, 0.0, 0.0, 0.0, 1.0]
    assert tripped.delay(CALL, 2.0) == 1.0
    assert tripped.name == "the endpoint to recover"


def test_one_item_that_fails_again_and_again_opens_nothing() -> None:
    stubborn = breaker()
    assert {stubborn.failed(item, 1.0, 2.0) for item in (1, 2, 3, 4) * 20} == {0.0}
    assert room(stubborn, 2.0) == 50


def test_a_success_between_starts_the_count_anew() -> None:
    shaky = breaker()
    for _ in range(3):
        assert [shaky.failed(item, 1.0, 2.0) for item in range(4)] == [0.0] * 4
        shaky.succeeded(CALL)
    assert shaky.delay(CALL, 2.0) == 0.0


def test_calls_sent_before_the_circuit_opened_change_nothing() -> None:
    tripped = breaker()
    for item in range(5):
        tripped.failed(item, 0.0, 2.0)
    assert {tripped.failed(item, 1.9, 2.5) for item in range(100)} == {0.0}
    assert tripped.delay(CALL, 2.5) == 0.5
    assert tripped.failed(7, 3.0, 3.5) == 2.0  # the probe; the first doubling, not the hundredth


def test_failures_of_calls_sent_before_a_throttle_open_nothing() -> None:
    held = breaker()
    held.pause(1.0, 0.0, 2.0)
    assert {held.failed(item, 1.9, 2.5) for item in range(100)} == {0.0}
    assert held.delay(CALL, 3.0) == 0.0


def test_after_the_pause_one_call_goes_as_a_probe() -> None:
    tripped, now = opened()
    assert tripped.delay(CALL, now - 0.001) == pytest.approx(0.001)
    assert room(tripped, now) == 1
    tripped.reserve(CALL, now)
    assert tripped.delay(CALL, now + 1000.0) == math.inf


def test_the_probe_waits_until_the_calls_from_before_have_ended() -> None:
    tripped = breaker(6)
    for item in range(5):
        tripped.commit(CALL, 1.0)
        tripped.failed(item, 0.0, 1.0)
    assert tripped.delay(CALL, 2.0) == math.inf
    tripped.commit(CALL, 3.0)
    assert tripped.delay(CALL, 3.0) == 0.0


def test_pauses_double_up_to_a_minute_and_after_eight_the_endpoint_is_given_up() -> None:
    dead, now = opened()
    pauses = []
    while (pause_s := dead.failed(99, now, now)) is not None:
        pauses.append(pause_s)
        assert dead.delay(CALL, now) == pause_s
        now += pause_s
        assert room(dead, now) == 1
    assert pauses == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    assert dead.failed(100, now, now) is None


@pytest.mark.parametrize("times", [1, 3, 8])
def test_a_probe_that_succeeds_starts_all_over(times: int) -> None:
    tripped, now = opened(times=times)
    tripped.succeeded(CALL)
    assert room(tripped, now) == 2
    assert [tripped.failed(item, now, now) for item in range(5)] == [0.0, 0.0, 0.0, 0.0, 1.0]


def test_a_throttled_probe_is_no_failure_and_no_success() -> None:
    tripped, now = opened(times=2)
    tripped.pause(30.0, now, now)
    assert tripped.delay(CALL, now) == 30.0
    assert room(tripped, now + 30.0) == 1
    assert tripped.failed(1, now + 30.0, now + 31.0) == 4.0


def test_a_pause_does_not_shorten_what_the_endpoint_asked_for() -> None:
    held = breaker()
    held.pause(100.0, 0.0, 0.0)
    assert [held.failed(item, 0.0, 1.0) for item in range(5)][-1] == 1.0
    assert held.delay(CALL, 1.0) == 99.0


def test_the_first_pause_can_be_shorter() -> None:
    tripped = CircuitBreaker(10, pause_s=0.01)
    pauses = [tripped.failed(item, float(item), float(item)) for item in range(7)]
    assert pauses[4:] == [0.01, 0.02, 0.04]


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["send", "send", "ok", "fail", "throttle", "cancel", "wait"]),
        st.integers(0, 9),
        st.sampled_from([0.0, 0.25, 1.0, 7.0]),
    ),
    max_size=120,
)


@given(MOVES, st.integers(1, 6))
def test_no_history_pauses_forever_or_longer_than_asked(moves: list[tuple[str, int, float]], ceiling: int) -> None:
    story, now, latest = CircuitBreaker(ceiling), 0.0, 0.0
    flying: list[float] = []
    for item, (what, which, seconds) in enumerate(moves):
        if what == "wait":
            now += seconds
        elif what == "send":
            if story.delay(CALL, now) == 0.0:
                story.reserve(CALL, now)
                flying.append(now)
        elif flying:
            sent_at = flying.pop(which % len(flying))
            story.commit(CALL, now)
            if what == "ok":
                story.succeeded(CALL)
            elif what == "fail":
                latest = max(latest, now + (story.failed(item, sent_at, now) or 0.0))
            elif what == "throttle":
                story.pause(seconds, sent_at, now)
                latest = max(latest, now + seconds)
        assert story.in_flight == len(flying)
        delay = story.delay(CALL, now)
        assert delay >= 0.0
        assert delay == math.inf or delay <= max(0.0, latest - now) + 1e-9
        assert delay < math.inf or flying  # else nobody would ever wake the line again
    assert room(story, latest) >= 1 or flying


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=60))
def test_the_circuit_opens_at_five_items_in_a_row_and_never_before(calls: list[tuple[int, bool]]) -> None:
    watched, failing = breaker(), set[int]()
    for item, well in calls:
        if well:
            watched.succeeded(CALL)
            failing.clear()
            continue
        failing.add(item)
        pause_s = watched.failed(item, 1.0, 2.0)
        assert pause_s == (1.0 if len(failing) == 5 else 0.0)
        if pause_s:
            break
