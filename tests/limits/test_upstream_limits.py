"""What holds for an endpoint over all runs of an agent: limits that join late, limits that agents share."""

import pytest

from kaizen_batch.errors import ConfigError
from kaizen_batch.limits import ConcurrencyLimiter, RateLimiter, RateLimits, Reservation, UpstreamLimits
from kaizen_batch.limits.rate import rate_limits
from tests.limits.plain_limits import Open

pytestmark = pytest.mark.looptime(start=0)


class Joining(Open):
    """A limit that keeps what it was told when it joined."""

    def __init__(self) -> None:
        super().__init__()
        self.joined: list[tuple[int, int]] = []

    def join(self, in_flight: int, tokens: int) -> None:
        self.joined.append((in_flight, tokens))


async def test_a_limit_that_joins_later_knows_what_is_in_flight_in_every_run_and_sees_it_end() -> None:
    limits, limit = UpstreamLimits(), Joining()
    queues = [limits.queue([]), limits.queue([])]
    calls = [Reservation(tokens=tokens) for tokens in (3, 4, 5, 6)]
    for queue, call in zip(queues, calls[:2], strict=True):
        await queue.acquire(call)
    with limits.lock:
        limits.activate(limit)
        limits.activate(limit)
    queues.append(limits.queue([]))
    await queues[0].acquire(calls[2])
    await queues[2].acquire(calls[3])
    for queue, call in zip([queues[0], queues[1], queues[0], queues[2]], calls, strict=True):
        queue.release(call)
    assert (limit.joined, limit.acquired, limit.left) == ([(2, 7)], calls[2:], calls)


async def test_configured_windows_hold_from_the_first_call_and_over_all_queues() -> None:
    limits = UpstreamLimits(rate=RateLimiter(rate_limits(requests_per_minute=2)))
    one, other = limits.queue([]), limits.queue([])
    assert one.try_acquire(Reservation()) and other.try_acquire(Reservation())
    assert not one.try_acquire(Reservation()) and not other.try_acquire(Reservation())


async def test_shared_limits_hold_over_agents() -> None:
    key = RateLimits(max_concurrent=2)
    agents = [UpstreamLimits(ConcurrencyLimiter(10)), UpstreamLimits(ConcurrencyLimiter(10))]
    for agent in agents:
        agent.shared = key
    one, other = (agent.queue([]) for agent in agents)
    assert one.try_acquire(Reservation()) and other.try_acquire(Reservation())
    assert not one.try_acquire(Reservation())
    other.release(Reservation())
    assert one.try_acquire(Reservation())


@pytest.mark.parametrize(
    "wrong",
    [{}, {"max_concurrent": 0}, {"requests_per_minute": 0}, {"tokens_per_minute": -1}, {"max_concurrent": None}],
)
def test_shared_limits_that_limit_nothing_are_refused(wrong: dict[str, int | None]) -> None:
    with pytest.raises(ConfigError, match=r"max_concurrent|requests_per_minute|tokens_per_minute"):
        RateLimits(**wrong)
