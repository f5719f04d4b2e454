"""The time of a simulated run is that of a real one, and the interval of an estimate holds it."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import looptime
import pytest

from kaizen_batch import BatchConfig, Completion, ParallelBatchStrategy, Price, Provider, RateLimit, Request, Usage
from kaizen_batch.agents import create_agent
from kaizen_batch.commands.forecast import Call, Range, Sizes, Terms, from_canary
from kaizen_batch.commands.simulated_run import Calls, Pace, run_seconds

ROWS, SENT_BYTES, IN_TOKENS = 150, 400, 100
PRICE = Price(1.0, 4.0)


@pytest.mark.parametrize(
    ("calls", "pace", "seconds"),
    [
        (Calls(0, 1.0, 0.0, 0), Pace(10), 0.0),
        (Calls(1_000, 0.5, 0.0, 110), Pace(10), 50.0),
        (Calls(1_000, 0.5, 0.0, 110), Pace(100), 5.0),
        (Calls(100_000, 0.5, 0.0, 110), Pace(100), 500.0),
        (Calls(60, 0.5, 0.0, 110), Pace(100, [RateLimit("requests", 60)]), 11.0),
        (Calls(1_000, 0.5, 0.0, 100), Pace(100, [RateLimit("tokens", 20_000)]), 243.0),
        (Calls(200_000, 0.5, 0.0, 100), Pace(100, [RateLimit("requests", 500)]), 24_000.0),
    ],
)
def test_the_slowest_of_the_limits_makes_the_time(calls: Calls, pace: Pace, seconds: float) -> None:
    assert run_seconds(calls, pace) == pytest.approx(seconds, rel=0.03, abs=1.0)


class Answering(Provider):
    """Answers of given lengths, which take a hundredth of a second for each token."""

    def __init__(self, lengths: list[int]) -> None:
        self._lengths = iter(lengths)

    async def complete(self, request: Request) -> Completion:
        """The next answer."""
        length = next(self._lengths)
        await asyncio.sleep(length / 100)
        return Completion("x", Usage(IN_TOKENS, length))


SHAPES: dict[str, Callable[[random.Random], int]] = {
    "constant": lambda _: 40,
    "uniform": lambda dice: dice.randint(1, 80),
    "lognormal": lambda dice: max(1, round(dice.lognormvariate(3.2, 1))),
}


def real_run(lengths: list[int], **options: Any) -> float:
    """The seconds that the engine takes, on a virtual clock."""
    agent = create_agent(BatchConfig(timeout_s=None, **options), provider=Answering(lengths))

    async def main() -> float:
        strategy = ParallelBatchStrategy(options["max_concurrent"])
        results = await strategy.execute_batch(agent, [{"prompt": str(n)} for n in range(len(lengths))])
        assert all(result["status"] == "ok" for result in results)
        return asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=looptime.new_event_loop) as runner:
        return runner.run(main())


@pytest.mark.parametrize(
    "limits",
    [{"requests_per_minute": 200}, {"requests_per_second": 5}, {"requests_per_minute": 100, "pacing": "even"}],
)
def test_a_simulated_run_takes_the_time_of_a_real_one(limits: dict[str, Any]) -> None:
    config = BatchConfig(max_concurrent=50, **limits)
    pace = Pace(50, config.rate_limits, config.pacing)
    simulated = run_seconds(Calls(300, 0.5, 0.0, IN_TOKENS + 50), pace)
    assert simulated == pytest.approx(real_run([50] * 300, max_concurrent=50, **limits), rel=0.05)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("limits", [{}, {"requests_per_minute": 60}, {"tokens_per_minute": 9_000}])
def test_of_20_estimates_18_hold_the_truth(shape: str, limits: dict[str, int]) -> None:
    dice, in_time, in_cost = random.Random(f"{shape} {limits}"), 0, 0
    for _ in range(20):
        lengths = [SHAPES[shape](dice) for _ in range(ROWS)]
        sizes = Sizes(ROWS, ROWS * SENT_BYTES)
        canary = [Call(SENT_BYTES, IN_TOKENS, length, length / 100) for length in dice.sample(lengths, 10)]
        config = BatchConfig(max_concurrent=5, **limits)
        found = from_canary(sizes, canary, Terms(4_000, PRICE, Pace(5, config.rate_limits)))
        cost = (ROWS * IN_TOKENS * 1.0 + sum(lengths) * 4.0) / 1e6
        assert found.seconds is not None and found.cost_usd is not None
        assert found.seconds.low < found.seconds.high and found.cost_usd.low < found.cost_usd.high
        in_time += _holds(found.seconds, real_run(lengths, max_concurrent=5, **limits))
        in_cost += _holds(found.cost_usd, cost)
    assert (in_time >= 18, in_cost >= 18) == (True, True), (in_time, in_cost)


def _holds(found: Range, truth: float) -> bool:
    return found.low <= truth <= found.high
