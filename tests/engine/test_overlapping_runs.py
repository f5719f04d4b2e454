"""Overlapping runs of one agent, on several event loops with one virtual clock: its limits hold over all of them."""

import asyncio
import math
import random
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kaizen_batch import Agent, BatchConfig, BatchResult, Completion, ParallelBatchStrategy, Usage
from kaizen_batch.limits import ADMISSION

WINDOW_S = 60.0
LONGEST_S = 10_000.0  # all calls of a world, one after the other, and a window for each, take less


class World:
    """A clock, and the loops that share it: one thread runs them in turns, in any order."""

    def __init__(self, loops: int, seed: int) -> None:
        self.now = 0.0
        self.chance = random.Random(seed)
        self.loops = [Loop(self) for _ in range(loops)]

    def run(self, tasks: "list[asyncio.Task[Any]]") -> None:
        """Run until all tasks are done. Raises: AssertionError if nothing will ever happen again."""
        while not all(task.done() for task in tasks):
            ready = [loop for loop in self.loops if loop.is_ready]
            if ready:
                loop = self.chance.choice(ready)
                loop.tear()
                loop.step()
            else:
                following = min(loop.next_timer for loop in self.loops)
                assert following < LONGEST_S, "somebody waits for ever"
                self.now = max(self.now, following)
        for loop in self.loops:
            while loop.is_ready:
                loop.step()
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()


class Loop(asyncio.SelectorEventLoop):
    """An event loop on the clock of its world, which runs one round at a time."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.torn_at = math.inf
        super().__init__()

    def time(self) -> float:
        return self._world.now

    def step(self) -> None:
        self.call_soon(self.stop)
        self.run_forever()

    def tear(self) -> None:
        """Cancel everything here, at the worst moment: something has just been handed over that nobody has seen yet."""
        if self._world.now >= self.torn_at and any(map(_is_handed_over, asyncio.all_tasks(self))):
            self.torn_at = math.inf
            for task in asyncio.all_tasks(self):
                task.cancel()

    @property
    def _timers(self) -> list[Any]:
        return [timer for timer in self._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]

    @property
    def next_timer(self) -> float:
        return min((timer.when() for timer in self._timers), default=math.inf)

    @property
    def is_ready(self) -> bool:
        return bool(self._ready) or self.next_timer <= self._world.now  # type: ignore[attr-defined]


def _is_handed_over(task: "asyncio.Task[Any]") -> bool:
    waits_for = task._fut_waiter  # type: ignore[attr-defined]
    return waits_for is not None and waits_for.done()


@dataclass
class Sent:
    """One call as the endpoint sees it."""

    run: int
    tokens: int
    began: float
    ended: float = math.inf


class Work(Agent):
    """Items are (run, tokens, seconds); a token costs a dollar."""

    endpoint, from_model = "here", False

    def __init__(self, world: World, config: BatchConfig) -> None:
        self.world = world
        self.config = config
        self.price = config.price
        self.sent: list[Sent] = []
        self.now = self.most = 0

    def prepare(self, inputs: Any) -> Any:
        return inputs

    def body(self, request: Any) -> bytes:
        return b"x" * int(request[1])

    def max_output(self, request: Any) -> int:
        return 0

    async def complete(self, request: Any) -> Completion:
        run, tokens, seconds = request
        call = Sent(run, tokens, self.world.now)
        self.sent.append(call)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(seconds)
        finally:
            self.now -= 1
            call.ended = self.world.now
        return Completion(usage=Usage(tokens, 0), value={"done": True})

    def parse(self, request: Any, completion: Completion) -> dict[str, Any]:
        return completion.value or {}


@dataclass
class Plan:
    """One run: on which loop, when it begins and is cancelled, its items, and what it may spend and do at once."""

    loop: int
    begins_at: float
    cancelled_at: float | None
    items: list[tuple[int, float]]
    max_concurrent: int
    budget_usd: int | None

    async def carry_out(self, number: int, agent: Work) -> BatchResult:
        await asyncio.sleep(self.begins_at)
        strategy = ParallelBatchStrategy(self.max_concurrent, budget_usd=self.budget_usd)
        return await strategy.run_batch(agent, [(number, *item) for item in self.items])

    def start(self, number: int, agent: Work) -> "asyncio.Task[BatchResult]":
        loop = agent.world.loops[self.loop % len(agent.world.loops)]
        task = loop.create_task(self.carry_out(number, agent))
        if self.cancelled_at is not None:
            loop.call_later(self.begins_at + self.cancelled_at, task.cancel)
        return task


PLANS = st.builds(
    Plan,
    loop=st.integers(0, 2),
    begins_at=st.sampled_from([0.0, 0.5, 3.0, 61.0]),
    cancelled_at=st.none() | st.sampled_from([0.0, 0.25, 2.0, 70.0]),
    items=st.lists(st.tuples(st.integers(1, 6), st.sampled_from([0.0, 0.25, 1.0, 5.0])), min_size=1, max_size=6),
    max_concurrent=st.integers(1, 5),
    budget_usd=st.none() | st.integers(1, 20),
)
LIMITS = st.fixed_dictionaries(
    {
        "max_concurrent": st.integers(1, 3),
        "requests_per_minute": st.none() | st.integers(1, 4),
        "tokens_per_minute": st.none() | st.integers(6, 12),
    }
)


@settings(max_examples=150, deadline=None)
@given(
    limits=LIMITS,
    plans=st.lists(PLANS, min_size=1, max_size=4),
    torn=st.lists(st.sampled_from([math.inf, math.inf, 0.0, 0.25, 1.0, 60.0]), min_size=1, max_size=3),
    seed=st.integers(0, 2**16),
)
def test_no_limit_is_exceeded_nobody_starves_and_cancelled_runs_free_what_they_held(
    limits: dict[str, int | None], plans: list[Plan], torn: list[float], seed: int
) -> None:
    world = World(len(torn), seed)
    for loop, torn_at in zip(world.loops, torn, strict=True):
        loop.torn_at = torn_at
    config = BatchConfig(llm_provider="mock", timeout_s=None, price={"input": 1e6, "output": 0}, **limits)
    agent = Work(world, config)
    tasks = [plan.start(number, agent) for number, plan in enumerate(plans)]
    world.run(tasks)
    assert agent.most <= (config.max_concurrent or 0)
    check_windows(agent.sent, config)
    for number, (plan, task) in enumerate(zip(plans, tasks, strict=True)):
        spent = sum(call.tokens for call in agent.sent if call.run == number)
        assert plan.budget_usd is None or spent <= plan.budget_usd
        if not task.cancelled():
            check_results(plan, task.result(), spent)
    slots = agent.upstream_limits.slots
    assert (agent.now, slots and slots.in_flight, len(ADMISSION.ring)) == (0, 0, 0)
    check_reservations(agent)


def check_reservations(agent: Work) -> None:
    """The rate windows have counted what was sent, and nothing of what was only reserved."""
    for (quantity, _), window in agent.upstream_limits.rate._windows.items():
        sent = len(agent.sent) if quantity == "requests" else sum(call.tokens for call in agent.sent)
        assert (window.in_flight, window._total) == (0, sent)


def check_windows(sent: list[Sent], config: BatchConfig) -> None:
    """However the endpoint counts a call, at its beginning or at its end, no window holds more than its limit."""
    for moment in ("began", "ended"):
        for first in sent:
            start = getattr(first, moment)
            window = [call for call in sent if start <= getattr(call, moment) < start + WINDOW_S]
            assert config.requests_per_minute is None or len(window) <= config.requests_per_minute
            assert config.tokens_per_minute is None or sum(call.tokens for call in window) <= config.tokens_per_minute


def check_results(plan: Plan, result: BatchResult, spent: int) -> None:
    """Every item has its result; only a budget may keep one from being asked, and only one that it does not cover."""
    assert len(result.results) == len(plan.items)
    codes = [error["code"] if (error := each["error"]) is not None else "ok" for each in result.results]
    assert set(codes) <= ({"ok", "not_attempted", "never_fits"} if plan.budget_usd is not None else {"ok"})
    left_out = [tokens for (tokens, _), code in zip(plan.items, codes, strict=True) if code == "not_attempted"]
    assert not left_out or max(left_out) + spent > (plan.budget_usd or 0)
