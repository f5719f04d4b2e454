"""What refusals teach: a window from a burst and a silence, a rate from a trickle, and nothing from noise."""

import pytest

from benchmarks.rate_windows import Bucket, Fixed, ServerWindow, Sliding
from kaizen_batch.limits.learned_rate import LearnedRate


def refuse(learned: LearnedRate, now: float, *, times: int = 1, retry_after_s: float | None = None) -> None:
    for _ in range(times):
        learned.throttled(retry_after_s, now - 0.001, now, 0)


def send(learned: LearnedRate, now: float, calls: int) -> float:
    """Send so many calls as soon as each may go; the moment of the last one."""
    for _ in range(calls):
        while (wait_s := learned.delay(now)) > 0:
            now += wait_s + 1e-9
        learned.reserve(now)
    return now


def drive(
    learned: LearnedRate, server: ServerWindow, until: float, *, start: float = 0.0
) -> tuple[list[float], list[float]]:
    """Send whatever may go, a call each millisecond; when calls were admitted, and when refused."""
    now, admitted, refused = start, list[float](), list[float]()
    while now < until:
        if learned.active and (wait_s := learned.delay(now)) > 0:
            now += wait_s + 1e-9
            continue
        if learned.active:
            learned.reserve(now)
        if (wait_s := server.wait_s(1, now)) > 0:
            refused.append(now)
            learned.throttled(wait_s, now, now + 0.001, 0)
        else:
            server.take(1, now)
            admitted.append(now)
            learned.answered()
        now += 0.001
    return admitted, refused


def learned_window(limit: int = 50, silence_s: float = 9.5) -> tuple[LearnedRate, float]:
    """One that has seen a burst of `limit` calls, then a silence."""
    learned = LearnedRate()
    refuse(learned, 0.0, times=5)
    now = send(learned, 0.0, limit + 1) + 0.001  # the last one is refused
    refuse(learned, now, retry_after_s=silence_s)
    return learned, send(learned, now, 4)  # settles, and leaves some room


def test_a_few_refusals_hold_nothing() -> None:
    learned = LearnedRate()
    refuse(learned, 0.0, times=4)
    assert not learned.active
    assert learned.delay(0.0) == 0.0


def test_refusals_among_answers_are_noise() -> None:
    learned = LearnedRate()
    for number in range(500):
        if number % 10 == 0:
            refuse(learned, float(number))
        learned.answered()
    assert not learned.active


def test_what_is_in_flight_may_be_answered_yet() -> None:
    learned = LearnedRate()
    for _ in range(10):
        learned.throttled(None, 0.0, 0.1, 50)
    assert not learned.active
    for _ in range(5):
        learned.throttled(None, 0.0, 0.1, 50)
    assert learned.active


def test_a_burst_and_a_silence_are_a_window() -> None:
    learned, now = learned_window(50, silence_s=9.5)
    last = send(learned, now, 46)  # with those four, fifty
    assert last < now + 1.0
    assert 8.0 < learned.delay(last) <= 10.2  # the next has to wait for the whole period


def test_without_a_retry_after_the_usual_periods_are_tried() -> None:
    learned = LearnedRate()
    refuse(learned, 0.0, times=5)
    began = send(learned, 0.0, 1)
    now = send(learned, began, 50) + 0.001
    probes = 0
    while now < began + 10.0:  # every call that goes ahead is refused until the window is empty
        refuse(learned, now)
        now = send(learned, now, 1) + 0.001
        probes += 1
    assert probes <= 9
    assert now < began + 10.3


@pytest.mark.parametrize("server", [Bucket(50, 10), Sliding(50, 10), Fixed(50, 10), Bucket(5, 1)])
def test_each_kind_of_window_is_used_to_the_full_and_trials_are_few(server: ServerWindow) -> None:
    admitted, refused = drive(LearnedRate(), server, 600.0)
    later = [at for at in admitted if at >= 60.0]
    assert len(later) >= 0.97 * 5 * 540
    assert sum(at >= 60.0 for at in refused) <= 0.02 * len(later)
    assert len(refused) - sum(at >= 60.0 for at in refused) <= 40


def test_a_limit_that_is_raised_is_found() -> None:
    server, learned = Sliding(50, 10), LearnedRate()
    drive(learned, server, 60.0)
    server.limit = 100
    admitted, _ = drive(learned, server, 1_000.0, start=60.0)
    assert sum(at >= 800.0 for at in admitted) >= 0.9 * 10 * 200


def test_what_is_refused_below_the_learned_rate_is_forgotten() -> None:
    learned, now = learned_window(50)
    now += 12.0
    for _ in range(5):
        now = send(learned, now, 3) + 0.001
        refuse(learned, now)
        now += 2.0  # far fewer than fifty in ten seconds
    assert not learned.active


def test_once_mistaken_more_refusals_are_needed() -> None:
    learned, now = learned_window(50)
    now += 12.0
    for _ in range(5):
        now = send(learned, now, 3) + 0.001
        refuse(learned, now)
        now += 2.0
    refuse(learned, now, times=19)
    assert not learned.active
    refuse(learned, now)
    assert learned.active
