"""The retry policy: one decision for each error, and how long the waits may be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kaizen_batch.errors import (
    AgentError,
    AuthenticationError,
    BadRequestError,
    ConfigError,
    InputError,
    InvalidOutputError,
    KaizenBatchError,
    ModelNotFoundError,
    NoAnswerError,
    NotAttemptedError,
    OverloadedError,
    QuotaExhaustedError,
    RefusedOutputError,
    ServerError,
    ThrottledError,
    TruncatedOutputError,
    UnsupportedParameterError,
)
from kaizen_batch.limits.retries import ABORT_RUN, FAIL_ITEM, AttemptCounts, Decision, RetryAfter, RetryPolicy

PLAIN = RetryPolicy(attempts=3, throttles=2, wait_initial=1.0, wait_max=60.0, wait_jitter=False, retry_after_max=100.0)
SECONDS = st.floats(min_value=0, max_value=3600)


@pytest.mark.parametrize(
    ("error", "used", "decision"),
    [
        # own failures: exponential, bounded by attempts
        (ServerError("x"), AttemptCounts(failures=1), RetryAfter(1.0)),
        (ServerError("x"), AttemptCounts(failures=2), RetryAfter(2.0)),
        (ServerError("x"), AttemptCounts(failures=3), FAIL_ITEM),
        (NoAnswerError("x"), AttemptCounts(failures=1), RetryAfter(1.0)),
        (NoAnswerError("x"), AttemptCounts(failures=3), FAIL_ITEM),
        (AgentError("x", retryable=True), AttemptCounts(failures=1), RetryAfter(1.0)),
        (BadRequestError("x", retryable=True), AttemptCounts(failures=1), RetryAfter(1.0)),
        # an overloaded server waits three doublings longer
        (OverloadedError("x"), AttemptCounts(failures=1), RetryAfter(8.0)),
        (OverloadedError("x"), AttemptCounts(failures=3), FAIL_ITEM),
        # throttles: counted separately; all workers pause for what the endpoint asks, the item for its own backoff
        (ThrottledError("x"), AttemptCounts(throttles=1), RetryAfter(1.0, pause_s=0.0)),
        (ThrottledError("x"), AttemptCounts(throttles=2), RetryAfter(2.0, pause_s=0.0)),
        (ThrottledError("x"), AttemptCounts(throttles=3), FAIL_ITEM),
        (ThrottledError("x"), AttemptCounts(failures=99, throttles=1), RetryAfter(1.0, pause_s=0.0)),
        (ServerError("x"), AttemptCounts(failures=1, throttles=99), RetryAfter(1.0)),
        (ThrottledError("x", retryable=False), AttemptCounts(throttles=1), FAIL_ITEM),
        # what the endpoint asks for
        (ThrottledError("x", retry_after_s=5.0), AttemptCounts(throttles=1), RetryAfter(1.0, pause_s=5.0)),
        (ServerError("x", retry_after_s=5.0), AttemptCounts(failures=1), RetryAfter(6.0)),
        (ThrottledError("x", retry_after_s=100.0), AttemptCounts(throttles=1), RetryAfter(1.0, pause_s=100.0)),
        (ThrottledError("x", retry_after_s=100.1), AttemptCounts(throttles=1), ABORT_RUN),
        (ServerError("x", retry_after_s=101.0), AttemptCounts(failures=1), ABORT_RUN),
        # not to be repeated
        (ServerError("x", retryable=False), AttemptCounts(failures=1), FAIL_ITEM),
        (BadRequestError("x"), AttemptCounts(failures=1), FAIL_ITEM),
        (BadRequestError("x", retry_after_s=101.0), AttemptCounts(failures=1), FAIL_ITEM),
        (AgentError("x"), AttemptCounts(failures=1), FAIL_ITEM),
        (InputError("x"), AttemptCounts(), FAIL_ITEM),
        (ConfigError("x"), AttemptCounts(), FAIL_ITEM),
        (RefusedOutputError("x"), AttemptCounts(reasks=1), FAIL_ITEM),
        (TruncatedOutputError("x"), AttemptCounts(reasks=1), FAIL_ITEM),
        # learned, so again at once, however often it failed before
        (UnsupportedParameterError("x"), AttemptCounts(), RetryAfter(0.0)),
        (UnsupportedParameterError("x"), AttemptCounts(adaptations=9), FAIL_ITEM),
        (UnsupportedParameterError("x"), AttemptCounts(failures=99, throttles=99, reasks=99), RetryAfter(0.0)),
        # the run is over
        (AuthenticationError("x"), AttemptCounts(failures=1), ABORT_RUN),
        (ModelNotFoundError("x"), AttemptCounts(failures=1), ABORT_RUN),
        (QuotaExhaustedError("x"), AttemptCounts(failures=1), ABORT_RUN),
        (QuotaExhaustedError("x", retryable=True), AttemptCounts(failures=1), ABORT_RUN),
    ],
)
def test_what_follows_from_an_error(error: KaizenBatchError, used: AttemptCounts, decision: Decision) -> None:
    assert PLAIN(error, used, max_reasks=1) == decision


@pytest.mark.parametrize("max_reasks", [0, 1, 2, 5])
def test_an_answer_that_does_not_fit_is_asked_again_max_reasks_times_at_once(max_reasks: int) -> None:
    decisions = [PLAIN(InvalidOutputError("x"), AttemptCounts(reasks=n), max_reasks) for n in range(1, max_reasks + 2)]
    assert decisions == [RetryAfter(0.0)] * max_reasks + [FAIL_ITEM]


@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_an_item_that_always_fails_is_called_as_often_as_attempts_says(attempts: int) -> None:
    policy, used, calls = RetryPolicy(attempts=attempts), AttemptCounts(), 0
    decision: Decision = RetryAfter(0.0)
    while isinstance(decision, RetryAfter):
        calls += 1
        used.count(ServerError("x"))
        decision = policy(ServerError("x"), used)
    assert calls == attempts


@pytest.mark.parametrize("throttles", [0, 1, 4])
def test_an_item_that_is_always_throttled_is_repeated_as_often_as_throttles_says(throttles: int) -> None:
    policy, used, repeats = RetryPolicy(throttles=throttles), AttemptCounts(), -1
    decision: Decision = RetryAfter(0.0)
    while isinstance(decision, RetryAfter):
        repeats += 1
        used.count(ThrottledError("x"))
        decision = policy(ThrottledError("x"), used)
    assert repeats == throttles


@pytest.mark.parametrize(
    ("error", "counted"),
    [
        (ServerError("x"), AttemptCounts(failures=1)),
        (OverloadedError("x"), AttemptCounts(failures=1)),
        (NoAnswerError("x"), AttemptCounts(failures=1)),
        (BadRequestError("x"), AttemptCounts(failures=1)),
        (AgentError("x"), AttemptCounts(failures=1)),
        (AuthenticationError("x"), AttemptCounts(failures=1)),
        (ThrottledError("x"), AttemptCounts(throttles=1)),
        (InvalidOutputError("x"), AttemptCounts(reasks=1)),
        (TruncatedOutputError("x"), AttemptCounts(reasks=1)),
        (UnsupportedParameterError("x"), AttemptCounts(adaptations=1)),
    ],
)
def test_each_error_is_counted_in_its_own_place(error: KaizenBatchError, counted: AttemptCounts) -> None:
    used = AttemptCounts()
    used.count(error)
    assert used == counted


@given(failures=st.integers(1, 10_000), wait_initial=SECONDS, wait_max=SECONDS)
def test_the_backoff_with_jitter_stays_within_its_ceiling(failures: int, wait_initial: float, wait_max: float) -> None:
    policy = RetryPolicy(wait_initial=wait_initial, wait_max=wait_max)
    ceiling = min(wait_max, wait_initial * 2.0 ** min(failures - 1, 1000))
    assert 0.0 <= policy.backoff_s(failures) <= ceiling


@given(failures=st.integers(1, 10_000), wait_initial=SECONDS, wait_max=SECONDS)
def test_the_backoff_without_jitter_is_its_ceiling(failures: int, wait_initial: float, wait_max: float) -> None:
    policy = RetryPolicy(wait_initial=wait_initial, wait_max=wait_max, wait_jitter=False)
    # Beyond 60 doublings only a wait_initial that is hardly above 0 stays below wait_max.
    assert policy.backoff_s(failures) == min(wait_max, wait_initial * 2.0 ** min(failures - 1, 60))


def test_the_jitter_spreads_the_waits() -> None:
    policy = RetryPolicy(wait_initial=1.0)
    assert len({policy.backoff_s(1) for _ in range(100)}) > 90


@given(
    asked=st.floats(min_value=0, max_value=600),
    kind=st.sampled_from([ThrottledError, ServerError, OverloadedError]),
    count=st.integers(1, 4),
    jitter=st.booleans(),
)
def test_no_wait_is_shorter_than_what_the_endpoint_asks_for(
    asked: float, kind: type[ServerError] | type[ThrottledError], count: int, jitter: bool
) -> None:
    used = AttemptCounts(failures=count, throttles=count)
    decision = RetryPolicy(wait_jitter=jitter)(kind("x", retry_after_s=asked), used)
    assert isinstance(decision, RetryAfter)
    assert max(decision.wait_s, decision.pause_s or 0.0) >= asked


@given(asked=st.floats(min_value=0, exclude_min=True), limit=SECONDS)
def test_a_wait_beyond_retry_after_max_ends_the_run(asked: float, limit: float) -> None:
    decision = RetryPolicy(retry_after_max=limit)(ThrottledError("x", retry_after_s=asked), AttemptCounts(throttles=1))
    assert (decision == ABORT_RUN) is (asked > limit)


@given(
    error=st.sampled_from([ServerError, ThrottledError, BadRequestError, InvalidOutputError, NotAttemptedError]),
    used=st.builds(AttemptCounts, *[st.integers(0, 200)] * 4),
    max_reasks=st.integers(0, 20),
)
def test_every_decision_is_one_of_three_and_no_wait_is_negative(
    error: type[KaizenBatchError], used: AttemptCounts, max_reasks: int
) -> None:
    decision = RetryPolicy()(error("x"), used, max_reasks)
    assert decision in (FAIL_ITEM, ABORT_RUN) or (isinstance(decision, RetryAfter) and decision.wait_s >= 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("attempts", 0),
        ("attempts", 101),
        ("throttles", -1),
        ("wait_initial", -1),
        ("wait_initial", float("nan")),
        ("wait_max", -1),
        ("wait_max", float("inf")),
        ("wait_max", float("nan")),
        ("retry_after_max", -1),
        ("retry_after_max", float("nan")),
        ("tries", 3),
    ],
)
def test_an_invalid_option_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ValidationError, match=name):
        RetryPolicy(**{name: value})  # type: ignore[arg-type]


def test_the_policy_is_frozen() -> None:
    with pytest.raises(ValidationError):
        RetryPolicy().attempts = 3  # type: ignore[misc]
