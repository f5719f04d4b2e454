"""The samples of runs as the columns of plots."""

import random
from dataclasses import asdict
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as some

from kaizen_batch import BatchProgress
from kaizen_batch.report.timeline import POINTS, Timeline, timeline

START = asdict(BatchProgress(done=0, failed=0, total=None, in_flight=0, elapsed_s=0.0, cost_usd=0.0))


def sample(elapsed_s: float, done: int = 0, **figures: Any) -> dict[str, Any]:
    return {**START, "moment": 1000 + elapsed_s, "elapsed_s": elapsed_s, "done": done, **figures}


def area(line: Timeline, column: str) -> float:
    """What a rate adds up to over the whole line."""
    total, before = 0.0, 0.0
    for at_s, value in zip(line.at_s, getattr(line, column), strict=True):
        total += (value or 0.0) * (at_s - before)
        before = at_s
    return total


def test_without_samples_there_is_nothing_to_plot() -> None:
    assert timeline([]) == timeline([[], []]) == Timeline()


def test_rates_are_those_since_the_sample_before() -> None:
    line = timeline([[sample(0.5, 10, input_tokens=100), sample(1.0, 40, input_tokens=200, throttles=1)]])
    assert line.at_s == [0.0, 0.5, 1.0]
    assert line.moment == [1000.0, 1000.5, 1001.0]
    assert line.answered_per_s == [20.0, 20.0, 60.0]
    assert line.input_tokens_per_s == [200.0, 200.0, 200.0]
    assert line.throttles_per_s == [0.0, 0.0, 2.0]


def test_what_the_journal_answered_is_not_the_endpoints_speed() -> None:
    line = timeline([[sample(1.0, 1000, from_journal=990), sample(2.0, 1010, from_journal=990)]])
    assert line.answered_per_s == [10.0, 10.0, 10.0]


def test_items_that_were_not_attempted_are_no_burst_of_failures() -> None:
    [*_, last] = timeline([[sample(1.0, 10), sample(2.0, 500, failed=490, failures={"server_error": 2})]]).failed_per_s
    assert last == 2.0


def test_the_pause_between_two_runs_is_left_out_and_the_cost_goes_on() -> None:
    first = [sample(1.0, 10, cost_usd=0.2), sample(2.0, 20, cost_usd=0.5)]
    second = [sample(1.0, 20, from_journal=20, cost_usd=0.0), sample(2.0, 30, from_journal=20, cost_usd=0.1)]
    line = timeline([first, [], second])
    assert line.begins_s == [2.0]
    assert line.at_s == [0.0, 1.0, 2.0, 2.0, 2.024, 3.0, 4.0]
    assert line.cost_usd == [0.0, 0.2, 0.5, None, 0.5, 0.5, 0.6]
    assert line.answered_per_s == [10.0, 10.0, 10.0, None, 0.0, 0.0, 10.0]


def test_an_unknown_price_is_a_gap() -> None:
    assert timeline([[sample(1.0, 1, cost_usd=None)]]).cost_usd == [0.0, None]


def test_the_end_of_a_run_right_after_a_sample_is_no_spike() -> None:
    samples = [sample(1.0, 10), sample(2.0, 20), sample(2.01, 25)]
    assert timeline([samples]).at_s == [0.0, 1.0, 2.01]
    assert area(timeline([samples]), "answered_per_s") == 25


@settings(max_examples=10, deadline=None)
@given(some.integers(1, 1000), some.randoms(use_true_random=False))
def test_whatever_is_left_out_nothing_is_lost(number: int, dice: random.Random) -> None:
    samples, at_s, done = [], 0.0, 0
    for _ in range(number):
        at_s, done = at_s + dice.uniform(0.01, 50), done + dice.randint(0, 1000)
        samples.append(sample(at_s, done))
    line = timeline([samples])
    assert len(line.at_s) <= POINTS + 2
    assert line.at_s[-1] == at_s
    assert line.at_s == sorted(line.at_s)
    assert abs(area(line, "answered_per_s") - done) < 1e-6 * (done + 1)
