"""Sliding windows: their limits hold on any schedule, and their waits are exact."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kaizen_batch.simulator import Settings
from kaizen_batch.simulator.ledger import worst_window
from kaizen_batch.simulator.windows import RateLimits, SlidingWindow, go_duration


@given(
    st.lists(st.tuples(st.floats(0, 3), st.integers(1, 9)), max_size=80),
    st.integers(1, 20),
    st.sampled_from([0.1, 0.3, 1.0]),
)
@example([(0.0, 1), (3.0, 1)], 1, 0.3)
def test_no_window_ever_holds_more_than_its_limit(gaps: list[tuple[float, int]], limit: int, window_s: float) -> None:
    window, now, admitted = SlidingWindow(limit, window_s), 1000.1, []
    for gap, cost in gaps:
        now += gap * window_s / 3
        if window.wait_s(cost, now) == 0:
            window.take(cost, now)
            admitted.append((now, cost))
    assert worst_window(admitted, window_s)[1] <= limit


@given(st.lists(st.tuples(st.floats(0.01, 1), st.integers(1, 5)), min_size=1, max_size=30))
def test_who_waits_as_told_is_let_in(gaps: list[tuple[float, int]]) -> None:
    window, now = SlidingWindow(5, 1.0), 0.0
    for gap, cost in gaps:
        now += gap
        now += window.wait_s(cost, now) + 1e-9
        assert window.wait_s(cost, now) == 0
        window.take(cost, now)


def test_a_refused_call_is_charged_to_neither_window() -> None:
    limits = RateLimits(Settings(requests_per_minute=60, tokens_per_minute=600, window_s=1.0))
    assert limits.admit(11, 0.0) == (float("inf"), "tokens")
    assert limits.admit(10, 0.0) == (0.0, "")
    assert limits.admit(1, 0.25) == (0.75, "tokens")
    assert limits.admit(10, 1.0) == (0.0, "")


def test_another_client_takes_its_share() -> None:
    limits = RateLimits(Settings(requests_per_minute=10, used_elsewhere_rpm=4))
    assert [limits.admit(1, 0.0)[0] for _ in range(7)] == [0.0] * 6 + [60.0]
    assert limits.headers(0.0)["x-ratelimit-limit-requests"] == "10"
    assert limits.headers(0.0)["x-ratelimit-remaining-requests"] == "0"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.012, "12ms"), (1, "1s"), (1.5, "1.5s"), (360, "6m0s"), (3661.25, "1h1m1.25s"), (59.9999, "1m0s")],
)
def test_a_duration_is_printed_as_go_does(seconds: float, text: str) -> None:
    assert go_duration(seconds) == text
