"""The budget of all retries of a run: a dead endpoint costs a bounded number of calls."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch.errors import (
    AgentError,
    InvalidOutputError,
    KaizenBatchError,
    NoAnswerError,
    OverloadedError,
    ServerError,
    ThrottledError,
    UnsupportedParameterError,
)
from kaizen_batch.limits.retries import AttemptCounts, RetryBudget


@pytest.mark.parametrize(
    ("error", "cost"),
    [
        (ServerError("x"), 5),
        (OverloadedError("x"), 5),
        (AgentError("x", retryable=True), 5),
        (NoAnswerError("x"), 10),
        # these have limits of their own
        (ThrottledError("x"), 0),
        (InvalidOutputError("x"), 0),
        (UnsupportedParameterError("x"), 0),
    ],
)
def test_what_one_more_attempt_costs(error: KaizenBatchError, cost: int) -> None:
    budget, used = RetryBudget(500), AttemptCounts()
    assert budget.spend(error, used)
    assert (500 - budget.left, used.spent) == (cost, cost)


@pytest.mark.parametrize(
    ("capacity", "error", "retries"),
    [
        (500, ServerError("x"), 100),
        (500, NoAnswerError("x"), 50),
        (4, ServerError("x"), 0),
        (5, ServerError("x"), 1),
        (19, NoAnswerError("x"), 1),
        (0, ServerError("x"), 0),
    ],
)
def test_a_dead_endpoint_costs_a_bounded_number_of_retries(
    capacity: int, error: KaizenBatchError, retries: int
) -> None:
    budget = RetryBudget(capacity)
    assert sum(budget.spend(error, AttemptCounts()) for _ in range(10_000)) == retries


def test_an_empty_budget_still_lets_throttles_and_re_asks_through() -> None:
    budget, used = RetryBudget(0), AttemptCounts()
    for error in (ThrottledError("x"), InvalidOutputError("x"), UnsupportedParameterError("x")):
        assert all(budget.spend(error, used) for _ in range(100))
    assert (budget.left, used.spent) == (0, 0)


def test_what_the_rest_does_not_cover_is_not_spent() -> None:
    budget, used = RetryBudget(9), AttemptCounts()
    assert not budget.spend(NoAnswerError("x"), used)
    assert (budget.left, used.spent) == (9, 0)
    assert budget.spend(ServerError("x"), used)
    assert (budget.left, used.spent) == (4, 5)


def test_a_success_pays_back_what_its_item_spent_and_no_more() -> None:
    budget, lucky, lost = RetryBudget(100), AttemptCounts(), AttemptCounts()
    for used in (lucky, lucky, lost):
        budget.spend(NoAnswerError("x"), used)
    assert budget.left == 70
    budget.earn(lucky)
    assert budget.left == 90
    budget.earn(lucky)  # nothing of it is left: as a first success
    assert budget.left == 91


def test_a_success_at_the_first_attempt_pays_back_1_up_to_the_capacity() -> None:
    budget = RetryBudget(10)
    budget.spend(ServerError("x"), AttemptCounts())
    for left in (6, 7, 8, 9, 10, 10):
        budget.earn(AttemptCounts())
        assert budget.left == left


ERRORS = [ServerError("x"), NoAnswerError("x"), ThrottledError("x"), InvalidOutputError("x"), None]


@given(st.integers(0, 60), st.lists(st.tuples(st.integers(0, 4), st.sampled_from(ERRORS)), max_size=80))
def test_whatever_happens_the_rest_is_between_0_and_the_capacity(
    capacity: int, story: list[tuple[int, KaizenBatchError | None]]
) -> None:
    budget, items = RetryBudget(capacity), [AttemptCounts() for _ in range(5)]
    paid = back = 0
    for item, error in story:
        used, left = items[item], budget.left
        if error is None:
            spent = used.spent
            budget.earn(used)
            assert 0 <= budget.left - left <= max(spent, 1)
            assert used.spent == 0
            back += budget.left - left
        else:
            went = budget.spend(error, used)
            assert went or left < 10
            paid += left - budget.left
        assert 0 <= budget.left <= capacity
        assert budget.left == capacity - paid + back
        assert sum(used.spent for used in items) <= paid
