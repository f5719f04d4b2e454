"""Runs of one process share a journal: one writer, one call for one question, one ledger, one recovery."""

import asyncio
import random
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import BatchConfig, BudgetExhaustedError, Completion, ParallelBatchStrategy, Provider, Usage
from kaizen_batch.agents import create_agent
from kaizen_batch.errors import BadRequestError, NoAnswerError
from kaizen_batch.journal import Journal, StoredAnswer
from kaizen_batch.journal.records import BatchRow
from kaizen_batch.results.texts.numbers import usd

PRICE = {"input": 1000.0, "output": 1000.0}
RUNS = 20


class Counting(Provider):
    """Counts how often each prompt was asked, and what that cost."""

    endpoint = "the-one"

    def __init__(self, *, fails: bool = False) -> None:
        self.asked: Counter[str] = Counter()
        self.answered = 0
        self.one_answered = asyncio.Semaphore(0)
        self.peak = self.inside = 0
        self._fails = fails
        self._random = random.Random(5)

    async def complete(self, request: Any) -> Completion:
        self.asked[request.prompt] += 1
        self.inside += 1
        self.peak = max(self.peak, self.inside)
        try:
            await asyncio.sleep(self._random.uniform(0, 0.01))
            if self._fails and self._random.random() < 0.2:
                raise self._random.choice([BadRequestError("no", status=400), NoAnswerError("torn")])
            self.answered += 1
            self.one_answered.release()
            return Completion(text=f"answer to {request.prompt}", usage=Usage(2, 3))
        finally:
            self.inside -= 1


async def run(path: Path, provider: Provider, items: list[str], **options: Any) -> Any:
    given = {"llm_provider": "mock", "journal": path, "price": PRICE, "max_tokens": 10, "max_concurrent": 4, **options}
    config = BatchConfig(**given)
    return await ParallelBatchStrategy.from_config(config).run_batch(create_agent(config, None, provider), items)


def shuffled(seed: int, items: int = 30) -> list[str]:
    texts = [f"item {number}" for number in range(items)]
    random.Random(seed).shuffle(texts)
    return texts


async def test_twenty_runs_at_once_ask_each_question_once_and_keep_one_ledger(path: Path) -> None:
    provider = Counting()
    batches = await asyncio.gather(*(run(path, provider, shuffled(seed)) for seed in range(RUNS)))
    assert set(provider.asked.values()) == {1} and len(provider.asked) == 30
    for batch, seed in zip(batches, range(RUNS), strict=True):
        assert [result["response"] for result in batch.results] == [f"answer to {text}" for text in shuffled(seed)]
    assert sum(batch.summary.calls for batch in batches) == 30
    assert sum(batch.summary.from_journal for batch in batches) == 30 * (RUNS - 1)
    totals = Journal(path).totals()
    assert (totals.attempts, totals.spent_usd) == (30, pytest.approx(30 * 5 * 1e-3))
    assert len(Journal(path).runs()) == RUNS and all(run.ended_at for run in Journal(path).runs())


async def test_twenty_runs_at_once_stay_within_one_budget(path: Path) -> None:
    provider = Counting()
    # Each asks something else; a call reserves more than it costs, so all wait for each other's money.
    runs = [run(path, provider, [f"{seed}: {n}" for n in range(20)], budget_usd=0.5) for seed in range(RUNS)]
    batches = await asyncio.gather(*runs)
    totals = Journal(path).totals()
    assert totals.spent_usd == pytest.approx(provider.answered * 5e-3) and totals.spent_usd <= 0.5
    assert provider.answered >= 80, "money that other runs gave back was not used"
    assert all(BudgetExhaustedError.__name__ in (batch.summary.stopped or "") for batch in batches)
    assert totals.at_risk_usd == totals.under_way == totals.unanswered == 0


async def test_a_run_without_a_budget_counts_for_one_that_has_one(path: Path) -> None:
    provider = Counting()
    free, capped = await asyncio.gather(
        run(path, provider, [f"free {n}" for n in range(40)]),
        run(path, provider, [f"capped {n}" for n in range(200)], budget_usd=0.3),
    )
    assert free.summary.ok == 40
    assert 0 < capped.summary.ok < 40 and "BudgetExhaustedError" in (capped.summary.stopped or "")


async def test_what_fails_in_one_run_is_asked_by_the_others(path: Path) -> None:
    provider = Counting(fails=True)
    batches = await asyncio.gather(
        *(run(path, provider, shuffled(seed), retry={"attempts": 1}, max_reasks=0) for seed in range(6))
    )
    totals = Journal(path).totals()
    assert totals.attempts == sum(provider.asked.values())
    assert totals.spent_usd == pytest.approx(provider.answered * 5e-3)
    answered = {r["response"] for batch in batches for r in batch.results if r["status"] == "ok"}
    assert Journal(path).count()["done"] == len(answered)


def test_runs_on_other_threads_share_it_too(path: Path) -> None:
    provider, results = Counting(), []
    threads = [
        threading.Thread(target=lambda seed=seed: results.append(asyncio.run(run(path, provider, shuffled(seed)))))
        for seed in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 6 and all(batch.summary.ok == 30 for batch in results)
    assert set(provider.asked.values()) == {1}
    assert Journal(path).totals().attempts == 30
    assert sorted(file.name for file in path.parent.iterdir()) == ["run.db", "run.db.lock"]


async def test_only_the_first_opening_recovers_and_only_the_last_leaving_closes(path: Path) -> None:
    async with Journal(path).writing() as first:
        await first.begin(bytes(32), item=0, request="{}", at_risk_usd=0.25)
        async with Journal(path).writing() as second:
            entry = await second.look_up(bytes(32))
            assert entry is not None and entry.state == "in_flight"
        await first.done(bytes(32), StoredAnswer("kept"), spent_usd=0.1)
    async with Journal(path).writing() as third:
        entry = await third.look_up(bytes(32))
        assert entry is not None and (entry.state, entry.unanswered) == ("done", 0)


async def test_one_that_waits_for_another_run_ends_with_its_own_run(path: Path) -> None:
    stuck = Stuck()
    first = asyncio.create_task(run(path, stuck, ["same"], grace_s=0.0))
    await stuck.reached.wait()
    second = await run(path, Counting(), ["same", "other"], deadline_s=0.1, grace_s=0.0)
    assert second.results[0]["error"]["code"] == "not_attempted" and second.results[1]["status"] == "ok"
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first


class Stuck(Counting):
    """Never answers."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()

    async def complete(self, request: Any) -> Completion:
        self.asked[request.prompt] += 1
        self.reached.set()
        await asyncio.Event().wait()
        raise AssertionError


async def waiting_for(path: Path, provider: Counting, runs: int) -> list["asyncio.Task[Any]"]:
    """Runs that ask what another run asks already; each has answered its other question."""
    tasks = [asyncio.create_task(run(path, provider, ["same", f"own {number}"])) for number in range(runs)]
    for _ in range(runs):
        await provider.one_answered.acquire()
    assert "same" not in provider.asked
    return tasks


async def test_a_canceled_run_hands_its_question_on_to_one_of_those_that_wait(path: Path) -> None:
    stuck, provider = Stuck(), Counting()
    first = asyncio.create_task(run(path, stuck, ["same"], grace_s=0.0))
    await stuck.reached.wait()
    others = await waiting_for(path, provider, 5)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    batches = await asyncio.gather(*others)
    assert stuck.asked["same"] == provider.asked["same"] == 1
    assert all(batch.results[0]["response"] == "answer to same" for batch in batches)
    totals = Journal(path).totals()
    assert (totals.attempts, totals.unanswered, totals.maybe_paid_twice, totals.under_way) == (7, 1, 1, 0)
    assert totals.spent_usd == pytest.approx(6 * 5e-3) and totals.unanswered_usd > 0


async def test_a_canceled_run_that_waits_takes_nothing_from_the_one_that_asks(path: Path) -> None:
    stuck, provider = Stuck(), Counting()
    first = asyncio.create_task(run(path, stuck, ["same"], grace_s=0.0))
    await stuck.reached.wait()
    one, two = await waiting_for(path, provider, 2)
    one.cancel()
    await asyncio.gather(one, return_exceptions=True)
    assert "same" not in provider.asked and not two.done()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert (await two).results[0]["status"] == "ok" and provider.asked["same"] == 1


async def test_an_opening_while_the_last_run_closes_waits_for_it(path: Path) -> None:
    async def open_and_close(number: int) -> None:
        async with Journal(path).writing() as journal:
            await journal.done(bytes([number]) * 32, StoredAnswer("kept"))

    for _ in range(3):
        await asyncio.gather(*(open_and_close(number) for number in range(8)))
    assert Journal(path).count()["done"] == 8


async def test_money_of_earlier_runs_and_their_doubts_count_and_can_be_released(path: Path) -> None:
    class Torn(Provider):
        async def complete(self, request: Any) -> Completion:
            raise NoAnswerError("torn")

    await run(path, Torn(), ["a", "b", "c"], retry={"attempts": 1})
    doubted = Journal(path).totals().unanswered_usd
    assert doubted > 0
    blocked = await run(path, Counting(), ["d"], budget_usd=doubted * 1.01)
    message = blocked.summary.stopped or ""
    assert f"at most {usd(doubted)} of it for calls that got no answer" in message and "release_doubts()" in message
    assert Journal(path).release_doubts() == pytest.approx(doubted)
    assert (await run(path, Counting(), ["d"], budget_usd=doubted * 1.01)).summary.ok == 1


async def test_calls_whose_price_is_not_known_are_counted_apart(path: Path) -> None:
    await run(path, Counting(), ["a", "b"], price=None, llm_provider="openai", api_key="sk-x", model="nobody-knows-it")
    totals = Journal(path).totals()
    assert (totals.unpriced, totals.spent_usd) == (2, 0.0)
    await run(path, Counting(), ["c"])
    assert Journal(path).totals().unpriced == 2


async def test_submitted_requests_survive_are_not_pruned_and_stay_at_risk(path: Path) -> None:
    async with Journal(path).writing() as journal:
        await journal.submit(BatchRow(bytes(32), 0, "{}", 0.25), 1)
    async with Journal(path).writing() as journal:
        entry = await journal.look_up(bytes(32))
        assert entry is not None and (entry.state, entry.via, entry.batch) == ("submitted", "batch", 1)
        assert journal.totals.committed_usd == 0.25
    with pytest.raises(Exception, match="may still be billed"):
        Journal(path).prune(states=("submitted",))
    async with Journal(path).writing() as journal:
        await journal.done(bytes(32), StoredAnswer("collected"), spent_usd=0.1, via="batch")
    totals = Journal(path).totals()
    assert (totals.committed_usd, totals.under_way) == (0.1, 0)


async def test_a_complete_run_leaves_the_list_of_one_that_is_under_way(path: Path) -> None:
    async with Journal(path).writing() as killed:
        killed.begin_run({"killed": True})
        killed.row(0, "ok")
    async with Journal(path).writing() as first, Journal(path).writing() as second:
        for journal in (first, second):
            journal.begin_run({"rows": 1})
            journal.row(0, "ok")
        first.end_run({})
        await first.done(bytes(32), StoredAnswer("after"))
        assert {run.id: len(list(Journal(path).rows(run))) for run in Journal(path).runs()} == {
            killed.run: 0,
            first.run: 1,
            second.run: 1,
        }
        second.end_run({})
    assert [len(list(Journal(path).rows(run))) for run in Journal(path).runs() if run.id == second.run] == [1]
