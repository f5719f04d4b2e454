"""The arithmetic of an estimate."""

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kaizen_batch import Price
from kaizen_batch.commands.forecast import Call, Forecast, Range, Sizes, Terms, mean_range, offline
from kaizen_batch.commands.forecast import from_canary as from_terms
from kaizen_batch.commands.simulated_run import Pace

PRICE = Price(input=1.0, output=2.0)
PACE = Pace(max_concurrent=10)


def from_canary(sizes: Sizes, calls: list[Call], most: int, price: Price | None, pace: Pace) -> Forecast:
    return from_terms(sizes, calls, Terms(most, price, pace))


def sizes(*sent: int) -> Sizes:
    found = Sizes()
    for each in sent:
        found.add(each)
    return found


def test_offline_is_bounded_by_the_bytes_and_max_tokens() -> None:
    found = offline(sizes(*[400] * 1000), 100, PRICE)
    assert found.input_tokens == Range(60_000, 100_000, 200_000)
    assert found.output_tokens == Range(1_000, 50_000, 100_000)
    assert found.cost_usd == Range(0.062, 0.2, 0.4)
    assert found.seconds is None
    assert offline(sizes(400), 100, None).cost_usd is None


def test_a_canary_of_all_rows_is_exact() -> None:
    calls = [Call(400, 100, 10, 0.5), Call(800, 200, 30, 1.5)]
    found = from_canary(sizes(400, 800), calls, 200, PRICE, PACE)
    assert found.input_tokens == Range(300, 300, 300)
    assert found.output_tokens == Range(40, 40, 40)
    assert found.cost_usd is not None and found.cost_usd.likely == pytest.approx(0.00038)
    assert found.seconds is not None  # two calls at once, 1 s each on average, and never the same again
    assert found.seconds.low < 1.0 < found.seconds.high


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    dice = random.Random(5)
    held = 0
    for _ in range(200):
        rows = [(dice.randint(200, 2_000), dice.gauss(0.25, 0.02), dice.randint(5, 60)) for _ in range(500)]
        calls = [Call(sent, round(sent * ratio), out, 0.5) for sent, ratio, out in dice.sample(rows, 10)]
        found = from_canary(sizes(*[sent for sent, _, _ in rows]), calls, 200, PRICE, PACE)
        truth = sum(sent * ratio for sent, ratio, _ in rows) + 2 * sum(out for _, _, out in rows)
        assert found.cost_usd is not None
        held += found.cost_usd.low <= truth / 1e6 <= found.cost_usd.high
    assert held >= 180


def test_one_call_of_many_rows_says_little() -> None:
    found = from_canary(sizes(*[500] * 9), [Call(500, 100, 10, 0.1)], 200, PRICE, PACE)
    assert (found.input_tokens.low, found.input_tokens.likely, found.input_tokens.high) == (450, 900, 1800)


@settings(max_examples=50, deadline=None)
@example([(280, 0.2890625, 0)], 2)
@given(
    st.lists(st.tuples(st.integers(50, 5_000), st.floats(0.1, 0.9), st.integers(0, 200)), min_size=1, max_size=20),
    st.integers(1, 500),
)
def test_the_likely_lies_within_the_bounds(canary: list[tuple[int, float, int]], rows: int) -> None:
    calls = [Call(sent, round(sent * ratio), out, 0.1) for sent, ratio, out in canary]
    found = from_canary(sizes(*[500] * rows), calls, 200, PRICE, PACE)
    for each in (found.input_tokens, found.output_tokens, found.cost_usd, found.seconds):
        assert each is not None and 0 <= each.low <= each.likely <= each.high


@pytest.mark.parametrize("values", [[5] * 10, [1, 2, 3], [0.0, 1.0], [7]])
def test_no_interval_is_a_point(values: list[float]) -> None:
    found = mean_range(values)
    assert found.low < found.likely < found.high


@pytest.mark.parametrize("shape", ["constant", "uniform", "lognormal"])
def test_the_mean_of_skewed_answers_is_inside(shape: str) -> None:
    dice = random.Random(3)
    draw = {
        "constant": lambda: 50.0,
        "uniform": lambda: dice.uniform(1, 200),
        "lognormal": lambda: dice.lognormvariate(4, 1),
    }[shape]
    held = 0
    for _ in range(200):
        rows = [draw() for _ in range(1_000)]
        found = mean_range(dice.sample(rows, 10))
        held += found.low <= sum(rows) / len(rows) <= found.high
    assert held >= 190


def test_long_inputs_are_at_the_price_of_their_tier() -> None:
    price = Price(1.0, 1.0, tiers=((1_000, Price(2.0, 2.0)),))
    for tokens, usd in ((500, 0.0005), (2_000, 0.004)):
        found = from_canary(sizes(4 * tokens), [Call(4 * tokens, tokens, 0, 0.1)], 200, price, PACE)
        assert found.cost_usd is not None and found.cost_usd.likely == pytest.approx(usd)


def test_a_sample_is_its_share_of_the_whole() -> None:
    found = sizes(*[100] * 50)
    found.only(10)
    assert (found.rows, found.total_bytes) == (10, 1_000)
    found.only(20)
    assert found.rows == 10


def test_no_rows_cost_nothing() -> None:
    assert offline(Sizes(), 100, PRICE).cost_usd == Range(0.0, 0.0, 0.0)
