"""Every path goes through one engine: limits, budget, journal and errors are the agent's, whatever runs its items."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import (
    BaseAgent,
    BatchProcessorAgent,
    ConfigError,
    FileJob,
    Journal,
    ParallelBatchStrategy,
    RateLimits,
    ThrottledError,
)
from kaizen_batch.commands.main import main
from kaizen_batch.simulator import Simulator

ITEMS = [{"prompt": f"Item {n:02}"} for n in range(60)]  # of one length, so that each call costs the same
PRICE = {"input": 1.0, "output": 1.0}
CALL_TOKENS, MAX_TOKENS, AFFORDED = 6, 200, 30


def _body_bytes() -> int:
    agent = BatchProcessorAgent(base_url="http://127.0.0.1:9/v1", api_key="sk-x").engine_agent()
    return len(agent.body(agent.prepare(ITEMS[0])))


# The last call that is afforded has to fit with all that it may cost: its bytes and the longest answer.
BUDGET_USD = ((AFFORDED - 1) * CALL_TOKENS + _body_bytes() + MAX_TOKENS + 0.5) / 1e6

Path_ = Callable[[BatchProcessorAgent, Path], Awaitable[object]]


async def process_batch(agent: BatchProcessorAgent, folder: Path) -> object:
    return await agent.process_batch(ITEMS)


async def own_strategy(agent: BatchProcessorAgent, folder: Path) -> object:
    return await agent.strategy.execute_batch(agent, ITEMS)


async def other_strategy(agent: BatchProcessorAgent, folder: Path) -> object:
    return await ParallelBatchStrategy(20).execute_batch(agent, ITEMS)


async def run_batch(agent: BatchProcessorAgent, folder: Path) -> object:
    return (await agent.run_batch(ITEMS)).results


async def stream(agent: BatchProcessorAgent, folder: Path) -> object:
    return [result async for result in agent.stream(ITEMS)]


async def run_job(agent: BatchProcessorAgent, folder: Path) -> object:
    (folder / "in.jsonl").write_text("\n".join(map(json.dumps, ITEMS)))
    return await agent.run_job(FileJob(folder / "in.jsonl", folder / "out.jsonl"))


async def node(agent: BatchProcessorAgent, folder: Path) -> object:
    return await asyncio.to_thread(lambda: agent.execute(batch=ITEMS))


PATHS = [process_batch, own_strategy, other_strategy, run_batch, stream, run_job, node]


class Case:
    """One run over a simulator, and what the simulator saw of it."""

    def __init__(self, options: dict[str, Any], server: dict[str, Any]) -> None:
        self.options = options
        self.server = server

    def ledger(self, path: Path_, folder: Path) -> dict[str, Any]:
        folder.mkdir()
        options = dict(self.options)
        if "journal" in options:
            options["journal"] = folder / "run.db"
        with Simulator(**self.server) as simulator:
            agent = BatchProcessorAgent(base_url=simulator.base_url, api_key="sk-x", max_concurrent=5, **options)
            asyncio.run(path(agent, folder))
        seen = {"calls": simulator.ledger.calls, "billed": simulator.ledger.billed}
        if "journal" in options:
            seen["done"] = Journal(options["journal"]).count()["done"]
        return seen


CASES = {
    "rate limit": Case({"requests_per_minute": 20, "deadline_s": 0.5, "grace_s": 1.0}, {}),
    "budget": Case({"budget_usd": BUDGET_USD, "price": PRICE}, {"price_input": 1, "price_output": 1}),
    "journal": Case({"journal": True}, {}),
    "wrong key": Case({}, {"api_key": "sk-right"}),
}
EXPECTED: dict[str, dict[str, int]] = {
    "budget": {"calls": AFFORDED, "billed": AFFORDED},
    "rate limit": {"calls": 20, "billed": 20},
    "journal": {"calls": 60, "billed": 60, "done": 60},
    "wrong key": {"calls": 5, "billed": 0},
}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.__name__)
@pytest.mark.parametrize("name", CASES)
def test_every_path_obeys_the_agent(path: Path_, name: str, tmp_path: Path) -> None:
    assert CASES[name].ledger(path, tmp_path / "run") == EXPECTED[name]


@pytest.mark.parametrize("name", CASES)
def test_the_command_line_is_the_same_engine(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES[name]
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, ITEMS)))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    arguments = ["run", str(tmp_path / "in.jsonl"), "--output", str(tmp_path / "out.jsonl"), "--max-concurrent", "5"]
    if name == "rate limit":
        arguments += ["--rpm", "20", "--deadline", "0.5"]
    if name == "budget":
        arguments += ["--budget", f"{BUDGET_USD:.9f}", "--price", "1", "1", "--max-tokens", str(MAX_TOKENS)]
    with Simulator(**case.server) as simulator, pytest.raises(SystemExit):
        main([*arguments, "--base-url", simulator.base_url])
    assert simulator.ledger.calls == EXPECTED[name]["calls"]


def test_results_of_a_strategy_have_no_duplicated_keys() -> None:
    agent = BatchProcessorAgent(llm_provider="mock")
    ours = asyncio.run(agent.process_batch(ITEMS[:3]))
    theirs = asyncio.run(ParallelBatchStrategy(5).execute_batch(agent, ITEMS[:3]))
    assert [result.keys() for result in theirs] == [result.keys() for result in ours]
    assert not [key for result in theirs for key in result if key.startswith("agent_")]


class Busy(BaseAgent):
    """Fails twice with an error of its own, which its `classify_error` knows to be a throttle."""

    calls = 0

    async def run_async(self, prompt: str) -> dict[str, Any]:
        self.calls += 1
        if self.calls <= 2:
            raise OSError("busy")
        return {"x": prompt}

    def classify_error(self, error: Exception) -> Any:
        if isinstance(error, OSError):
            return ThrottledError("busy", retry_after_s=0.001)
        return super().classify_error(error)


@pytest.mark.parametrize("strategy", [None, ParallelBatchStrategy(5)], ids=["its own", "another"])
def test_classify_error_holds_in_every_strategy(strategy: ParallelBatchStrategy | None) -> None:
    agent = Busy(max_concurrent=2, retry={"wait_initial": 0.001})
    batch = ITEMS[:2]
    results = asyncio.run((strategy or agent.strategy).execute_batch(agent, batch))
    assert [result["status"] for result in results] == ["ok", "ok"]


# Ceilings over all runs


class Counting:
    """A function that knows how many of its calls are under way, and the most there ever were."""

    def __init__(self) -> None:
        self.now = self.most = self.calls = 0

    async def __call__(self, prompt: str) -> dict[str, Any]:
        self.now += 1
        self.calls += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.002)
        self.now -= 1
        return {"result": prompt}


@pytest.mark.parametrize(
    ("ceiling", "wanted", "most"),
    [({"max_concurrent": 5}, 20, 5), ({"max_concurrent": 20}, 5, 5), ({}, 20, 20), ({}, 3, 3)],
    ids=["a strategy cannot raise a ceiling", "it can lower one", "none was set", "none was set, and it is lower"],
)
async def test_a_strategy_can_only_lower_a_ceiling_that_was_set(
    ceiling: dict[str, int], wanted: int, most: int
) -> None:
    work = Counting()
    agent = BatchProcessorAgent(provider=work, **ceiling)
    await ParallelBatchStrategy(wanted).execute_batch(agent, ITEMS)
    assert (work.most, work.calls) == (most, 60)


async def test_runs_at_the_same_time_share_the_ceiling() -> None:
    work = Counting()
    agent = BatchProcessorAgent(provider=work, max_concurrent=4)
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(agent.process_batch(ITEMS[:20]))
        group.create_task(ParallelBatchStrategy(10).execute_batch(agent, ITEMS[:20]))
    assert (work.most, work.calls) == (4, 80)


def test_runs_on_other_threads_share_the_ceiling_too() -> None:
    work = Counting()
    agent = BatchProcessorAgent(provider=work, max_concurrent=3)

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(asyncio.to_thread(lambda: asyncio.run(agent.process_batch(ITEMS[:20]))))
            group.create_task(agent.process_batch(ITEMS[:20]))

    asyncio.run(main())
    assert work.calls == 80
    assert agent.performance()["items"] == 80
    assert work.most <= 3


async def test_the_own_strategy_sets_the_ceiling() -> None:
    work = Counting()
    agent = BatchProcessorAgent(provider=work, max_concurrent=2)
    agent.strategy.max_concurrent = 7
    await agent.process_batch(ITEMS)
    assert work.most == 7
    with pytest.raises(ConfigError, match="max_concurrent"):
        agent.strategy.max_concurrent = 0


async def test_a_ceiling_that_is_raised_during_a_run_holds_at_once() -> None:
    work = Counting()
    agent = BatchProcessorAgent(provider=work, max_concurrent=10)
    agent.strategy.max_concurrent = 2
    wide = ParallelBatchStrategy(8)
    async with wide.stream(agent, ITEMS) as run:
        await anext(aiter(run))
        assert work.most <= 2
        agent.strategy.max_concurrent = 6
        assert [result["status"] async for result in run] == ["ok"] * 59
    assert work.most <= 6


@pytest.mark.looptime(start=0)
async def test_a_rate_limit_holds_over_successive_runs() -> None:
    times: list[float] = []

    async def work(prompt: str) -> str:
        times.append(asyncio.get_running_loop().time())
        return prompt

    agent = BatchProcessorAgent(provider=work, requests_per_minute=15)
    for _ in range(3):
        await agent.process_batch(ITEMS[:15])
    assert len(times) == 45
    assert all(later - earlier >= 60.0 for earlier, later in zip(times, times[15:], strict=False))


@pytest.mark.looptime(start=0)
async def test_two_agents_with_one_key_share_its_limits() -> None:
    times: list[float] = []

    async def work(prompt: str) -> str:
        times.append(asyncio.get_running_loop().time())
        return prompt

    key = RateLimits(requests_per_minute=10)
    agents = [BatchProcessorAgent(provider=work, limits=key) for _ in range(2)]
    async with asyncio.TaskGroup() as group:
        for agent in agents:
            group.create_task(agent.process_batch(ITEMS[:15]))
        group.create_task(ParallelBatchStrategy(limits=key).execute_batch(work, ["x"] * 5))
    assert len(times) == 35
    assert all(later - earlier >= 60.0 for earlier, later in zip(times, times[10:], strict=False))


async def test_an_open_circuit_lets_a_new_run_probe_once() -> None:
    down, calls = True, 0

    async def work(prompt: str) -> str:
        nonlocal calls
        calls += 1
        if down:
            raise ConnectionError("down")
        return prompt

    agent = BatchProcessorAgent(provider=work, retry={"attempts": 1}, max_concurrent=1)
    first = await agent.process_batch(ITEMS[:5])
    assert Counter(result["status"] for result in first) == {"error": 5}
    down, calls = False, 0
    began = asyncio.get_running_loop().time()
    second = await agent.process_batch(ITEMS[:1])
    assert (second[0]["status"], calls) == ("ok", 1)
    assert asyncio.get_running_loop().time() - began < 1.0  # the circuit's first pause


# Strategies that are assigned


class OnlyBatch:
    """A strategy of somebody else's, which asks the agent for each item."""

    async def execute_batch(self, agent: Any, batch: list[Any]) -> list[dict[str, Any]]:
        return [{**await agent.run_async(**item), "by": "OnlyBatch"} for item in batch]


async def test_an_assigned_strategy_takes_effect() -> None:
    agent = BatchProcessorAgent(llm_provider="mock")
    agent.strategy = OnlyBatch()
    assert [result["by"] for result in await agent.process_batch(ITEMS[:2])] == ["OnlyBatch"] * 2
    assert agent.process_single("x")["status"] == "ok"


async def _stream(agent: BatchProcessorAgent) -> AsyncIterator[object]:
    return agent.stream(ITEMS)


@pytest.mark.parametrize(
    "use",
    [
        _stream,
        lambda agent: agent.run_batch(ITEMS),
        lambda agent: agent.run_job(FileJob("in.jsonl", "out.jsonl")),
        lambda agent: agent.async_run(batch=ITEMS),
    ],
)
async def test_what_needs_a_stream_says_so(use: Callable[[BatchProcessorAgent], Awaitable[object]]) -> None:
    agent = BatchProcessorAgent(llm_provider="mock", strategy=OnlyBatch())
    with pytest.raises(ConfigError, match="OnlyBatch has no `stream`"):
        await use(agent)


async def test_limits_that_are_chosen_for_an_execution_lower_an_assigned_strategy() -> None:
    work = Counting()
    agent = BatchProcessorAgent(provider=work, strategy=ParallelBatchStrategy(6))
    await agent.async_run(batch=ITEMS, max_concurrent=2)
    assert work.most == 2
    await agent.async_run(batch=ITEMS)
    assert work.most == 6


async def test_an_assigned_parallel_strategy_runs_everything(tmp_path: Path) -> None:
    work = Counting()
    agent = BatchProcessorAgent(provider=work)
    agent.strategy = ParallelBatchStrategy(2, journal=tmp_path / "run.db")
    await agent.process_batch(ITEMS[:5])
    await agent.run_batch(ITEMS[:10])
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, ITEMS[:15])))
    await agent.run_job(FileJob(tmp_path / "in.jsonl", tmp_path / "out.jsonl"))
    assert (work.calls, work.most) == (15, 2)
