"""The budget: a hard cap by reservation, to the last bit."""

import logging
import math
from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kaizen_batch.errors import BudgetExhaustedError, ConfigError, ItemTooLargeError
from kaizen_batch.limits.budget import Budget
from kaizen_batch.limits.reservation import Limit, Reservation

USD = st.floats(0, 1) | st.sampled_from([0.1, 0.3, 0.01, 1e-6, 1.5e-7, 1e-12, 1e-13, 5e-324])
PICO = Fraction(1, 10**12)


def spend(budget: Budget, reserved: float, used: float | None) -> None:
    reservation = Reservation(usd=reserved)
    budget.reserve(reservation, 0.0)
    reservation.used_usd = used
    budget.commit(reservation, 0.0)


def test_it_is_a_limit() -> None:
    limit: Limit = Budget(1.0)
    assert limit.name == "the budget"


@pytest.mark.parametrize("usd", [0, -1, math.nan, math.inf])
def test_a_cap_is_a_finite_number_above_zero(usd: float) -> None:
    with pytest.raises(ConfigError, match=r"budget_usd must be a finite number > 0.*given"):
        Budget(usd)


@pytest.mark.parametrize("spent", [-0.1, math.nan, math.inf])
def test_what_was_spent_is_a_finite_number(spent: float) -> None:
    with pytest.raises(ConfigError, match=r"spent_usd must be a finite number >= 0.*given"):
        Budget(1.0, spent)


@pytest.mark.parametrize(
    ("reserved", "used", "spent", "left"),
    [
        (0.5, 0.25, 0.25, 0.75),
        (0.5, 0.5, 0.5, 0.5),
        (0.5, 0.0, 0.0, 1.0),  # never sent
        (0.5, None, 0.5, 0.5),  # nobody knows: as if it was billed
        (0.5, 2.0, 2.0, 0.0),  # the price was wrong: in full
        (0.0, None, 0.0, 1.0),
    ],
)
def test_settling_replaces_what_was_reserved(reserved: float, used: float | None, spent: float, left: float) -> None:
    budget = Budget(1.0)
    reservation = Reservation(usd=reserved)
    budget.reserve(reservation, 0.0)
    assert (budget.spent_usd, budget.reserved_usd, budget.left_usd) == (0.0, reserved, 1.0 - reserved)
    reservation.used_usd = used
    budget.commit(reservation, 1.0)
    assert (budget.spent_usd, budget.reserved_usd, budget.left_usd) == (spent, 0.0, left)


def test_a_call_that_never_fits_is_told_so_at_once() -> None:
    Budget(0.5).check(Reservation(usd=0.5))
    with pytest.raises(
        ItemTooLargeError, match=r"up to 0\.6 USD, more than the whole budget_usd=0\.5; lower max_tokens"
    ):
        Budget(0.5).check(Reservation(usd=0.6))
    with pytest.raises(ItemTooLargeError):
        Budget(0.5).check(Reservation(usd=math.nextafter(0.5, 1)))


def test_a_call_waits_while_others_may_give_something_back() -> None:
    budget = Budget(1.0)
    first, second = Reservation(usd=0.75), Reservation(usd=0.5)
    assert budget.delay(first, 0.0) == 0.0
    budget.reserve(first, 0.0)
    assert budget.delay(second, 0.0) == math.inf
    first.used_usd = 0.5
    budget.commit(first, 1.0)
    assert budget.delay(second, 1.0) == 0.0


def test_an_exhausted_budget_ends_the_run_and_says_how_to_go_on() -> None:
    budget = Budget(1.0)
    spend(budget, 0.75, 0.75)
    with pytest.raises(BudgetExhaustedError) as caught:
        budget.delay(Reservation(usd=0.5), 0.0)
    assert caught.value.message == (
        "$0.75 of $1.00 is spent; the next call could cost up to $0.5; "
        "raise budget_usd, or lower max_tokens, and run the same batch again with the same journal"
    )
    assert caught.value.fatal
    assert budget.delay(Reservation(usd=0.25), 0.0) == 0.0


def test_what_earlier_runs_spent_counts() -> None:
    budget = Budget(1.0, spent_usd=0.875)
    assert budget.left_usd == 0.125
    with pytest.raises(BudgetExhaustedError):
        budget.delay(Reservation(usd=0.25), 0.0)


def test_a_lower_cap_than_what_is_spent_lets_nothing_through() -> None:
    budget = Budget(1.0, spent_usd=2.0)
    assert budget.left_usd == 0.0
    with pytest.raises(BudgetExhaustedError):
        budget.delay(Reservation(usd=0.0), 0.0)


def test_a_bound_that_was_too_low_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    budget = Budget(1.0)
    with caplog.at_level(logging.WARNING, logger="kaizen_batch"):
        spend(budget, 0.1, 0.1)
        assert not caplog.records
        spend(budget, 0.1, 0.2)
        spend(budget, 0.1, 0.3)
    (record,) = caplog.records
    assert "cost 0.2 USD, and 0.1 USD were reserved" in record.getMessage()


def test_floats_do_not_drift() -> None:
    budget = Budget(1_000.0)
    for _ in range(100_000):
        spend(budget, 0.002, 0.001)
    assert budget.spent_usd == pytest.approx(100.0, abs=2e-7)  # a pico-dollar a call, upwards
    assert budget.spent_usd >= 100.0
    assert budget.reserved_usd == 0.0


@pytest.mark.parametrize(
    ("cap", "call", "fitting"),
    [
        (1.0, 0.25, 4),
        (0.3, 0.1, 2),  # the float 0.1 is a little more than a tenth, 0.3 a little less than three of them
        (0.3 + 4e-12, 0.1, 3),
        (1.5e-12, 1e-12, 1),
        (1e-12, 1e-13, 0),
        (2.5e-12, 1e-13, 2),
    ],
)
def test_calls_are_rounded_up_and_the_cap_down(cap: float, call: float, fitting: int) -> None:
    budget = Budget(cap)
    for _ in range(fitting):
        assert budget.delay(Reservation(usd=call), 0.0) == 0.0
        spend(budget, call, call)
    with pytest.raises(BudgetExhaustedError):
        budget.delay(Reservation(usd=call), 0.0)


@given(st.floats(1e-12, 10), USD, st.data())
def test_no_order_of_calls_spends_more_than_the_cap(cap: float, earlier: float, data: st.DataObject) -> None:
    assume(Fraction(earlier) + PICO <= Fraction(cap))
    budget = Budget(cap, earlier)
    flying: list[Reservation] = []
    spent = Fraction(earlier)
    for _ in range(data.draw(st.integers(0, 30))):
        if flying and data.draw(st.booleans()):
            reservation = flying.pop(data.draw(st.integers(0, len(flying) - 1)))
            reservation.used_usd = data.draw(st.none() | st.floats(0, reservation.usd))
            budget.commit(reservation, 0.0)
            spent += Fraction(reservation.usd if reservation.used_usd is None else reservation.used_usd)
        else:
            reservation = Reservation(usd=data.draw(USD))
            with suppress(BudgetExhaustedError):
                if budget.delay(reservation, 0.0) == 0.0:
                    budget.reserve(reservation, 0.0)
                    flying.append(reservation)
        reserved = sum((Fraction(reservation.usd) for reservation in flying), Fraction())
        assert spent + reserved <= Fraction(cap)
        assert spent <= Fraction(cap)
        assert budget.spent_usd <= cap


@given(st.floats(0.001, 10), st.lists(st.tuples(USD, st.floats(0, 1)), max_size=20), USD)
def test_when_all_calls_are_settled_the_next_one_goes_or_the_run_ends(
    cap: float, calls: list[tuple[float, float]], following: float
) -> None:
    budget = Budget(cap)
    spent = Fraction()
    for reserved, share in calls:
        spend(budget, reserved, reserved * share)
        spent += Fraction(reserved * share)
    reservation = Reservation(usd=following)
    if spent + Fraction(following) + (len(calls) + 2) * PICO <= Fraction(cap):
        assert budget.delay(reservation, 0.0) == 0.0
    elif spent + Fraction(following) > Fraction(cap):
        with pytest.raises(BudgetExhaustedError):
            budget.delay(reservation, 0.0)
