"""When batches have to be given up."""

import pytest

from kaizen_batch import RunConfig
from kaizen_batch.strategies.batches.deadline import Deadline, LiveTime


def test_the_live_time_follows_the_calls_or_the_request_limit() -> None:
    config = RunConfig(max_concurrent=10)
    assert LiveTime(config, 2.0).seconds(100) == pytest.approx(5 + 1.5 * 20)
    assert LiveTime(config, 2.0).seconds(1) == pytest.approx(5 + 1.5 * 2), "one row needs one call"
    assert LiveTime(config, 2.0).seconds(0) == 5
    assert LiveTime(RunConfig(max_concurrent=10, requests_per_minute=60), 2.0).seconds(100) == pytest.approx(155)
    assert LiveTime(config).seconds(10) == pytest.approx(12.5), "nothing is known yet"


def test_batches_are_cancelled_before_they_are_left() -> None:
    deadline = Deadline(1000.0, LiveTime(RunConfig(max_concurrent=10), 2.0))
    assert (deadline.cancel_at(100), deadline.abandon_at(100)) == (930.0, 965.0)


def test_without_a_time_they_are_never_given_up() -> None:
    deadline = Deadline(None, LiveTime(RunConfig()))
    assert deadline.cancel_at(10**9) == deadline.abandon_at(10**9) == float("inf")
