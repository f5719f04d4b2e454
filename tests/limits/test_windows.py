"""Windows: what is announced becomes a credit that is spent and regrows."""

import math

import pytest

from kaizen_batch.limits.rate_limit_headers import HeaderWindow
from kaizen_batch.limits.windows import Credit


def _credit(limit: int | None, remaining: int | None, reset_s: float | None, in_flight: int = 0) -> Credit:
    return Credit(HeaderWindow(limit, remaining, reset_s), in_flight, 100.0)


def test_a_credit_regrows_steadily() -> None:
    credit = _credit(40, 0, 40.0)
    assert credit.delay(1, 0, 100.0) == pytest.approx(1.0)
    assert credit.delay(1, 0, 101.0) == 0.0
    credit.spend(1)
    assert credit.delay(1, 1, 101.0) == pytest.approx(1.0)
    assert credit.delay(30, 0, 101.0) == pytest.approx(30.0)


def test_of_an_unknown_limit_nothing_regrows_before_the_reset() -> None:
    credit = _credit(None, 2, 10.0)
    assert credit.delay(2, 0, 100.0) == 0.0
    credit.spend(2)
    assert credit.delay(1, 2, 104.0) == pytest.approx(6.0)
    assert credit.delay(10**9, 2, 110.0) == 0.0


def test_without_a_reset_the_window_regrows_when_its_period_is_over() -> None:
    assert _credit(60, 15, None).delay(60, 0, 100.0) == pytest.approx(60.0)
    assert _credit(None, 0, None).delay(1, 0, 100.0) == pytest.approx(60.0)
    first = Credit(HeaderWindow(60, 50), 0, 100.0)
    second = Credit(HeaderWindow(60, 0), 0, 130.0, first)
    assert second.delay(1, 0, 130.0) == pytest.approx(30.0)
    third = Credit(HeaderWindow(60, 59), 0, 165.0, second)
    assert third.delay(59, 0, 165.0) == pytest.approx(60.0)


def test_what_is_left_to_others_depends_on_the_rate_of_the_window() -> None:
    day = Credit(HeaderWindow(14_400, 200, 85_000.0, period_s=86_400.0), 0, 0.0)
    assert day.delay(200, 0, 0.0) == 0.0


def test_calls_in_flight_are_taken_off() -> None:
    credit = _credit(40, 10, 30.0, in_flight=10)
    assert credit.delay(1, 10, 100.0) == pytest.approx(1.0)


def test_a_fiftieth_is_left_to_other_clients_until_the_window_is_full() -> None:
    assert _credit(600, 112, 48.8).delay(100, 0, 100.0) == 0.0
    assert _credit(600, 112, 48.8).delay(110, 0, 100.0) == pytest.approx(1.0)
    assert _credit(600, 112, 48.8).delay(600, 0, 100.0) == pytest.approx(48.8)


def test_when_it_is_outdated_calls_in_flight_still_do_not_exceed_the_limit() -> None:
    credit = _credit(10, 9, 0.012)
    for in_flight in range(10):
        assert credit.delay(1, in_flight, 200.0) == 0.0
        credit.spend(1)
    assert credit.delay(1, 10, 200.0) == math.inf
    assert credit.delay(1, 9, 200.0) == 0.0


def test_more_left_than_there_can_be_is_full() -> None:
    credit = _credit(10, 99, 5.0)
    assert credit.delay(10, 0, 100.0) == 0.0
    credit.spend(10)
    assert credit.delay(1, 9, 100.0) == pytest.approx(5.0)


def test_a_limit_alone_bounds_what_is_in_flight() -> None:
    assert _credit(10, None, None).delay(3, 7, 100.0) == 0.0
    assert _credit(10, None, None).delay(4, 7, 100.0) == math.inf


def test_nothing_announced_holds_nothing() -> None:
    credit = _credit(None, None, None)
    assert not credit.known
    assert credit.delay(10**9, 10**9, 100.0) == 0.0
