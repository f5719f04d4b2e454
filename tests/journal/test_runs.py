"""What the journal keeps of the runs themselves: options, samples of the progress, the summary."""

from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import BatchConfig, Journal, MockProvider, ParallelBatchStrategy
from kaizen_batch.agents import create_agent
from kaizen_batch.journal import Run

virtual = pytest.mark.looptime(start=0)


async def run(path: Path, items: int, **options: Any) -> None:
    config = BatchConfig(journal=path, **{"llm_provider": "mock", **options})
    agent = create_agent(config, None, MockProvider(latency_s=1.0))
    await ParallelBatchStrategy.from_config(config).run_batch(agent, [f"item {n}" for n in range(items)])


@virtual
async def test_each_run_is_kept_with_its_options_and_its_summary(path: Path) -> None:
    await run(path, 3, labels={"command": "first"})
    await run(path, 5, max_concurrent=2, labels={"command": "second"})
    first, second = Journal(path).runs()
    assert [each.description["config"]["labels"]["command"] for each in (first, second)] == ["first", "second"]
    assert (first.description["total"], second.description["total"]) == (3, 5)
    assert first.summary is not None and second.summary is not None
    assert (first.summary["ok"], second.summary["ok"], second.summary["from_journal"]) == (3, 5, 3)
    assert second.description["config"]["max_concurrent"] == 2
    assert first.ended_at is not None and first.begun_at <= first.ended_at <= second.begun_at


@virtual
async def test_the_last_sample_is_that_of_the_end(path: Path) -> None:
    await run(path, 8, max_concurrent=2)
    [only] = Journal(path).runs()
    samples = Journal(path).samples(only)
    assert samples[-1]["done"] == samples[-1]["calls"] == 8
    assert all(sample["in_flight"] <= sample["limit"] == 2 for sample in samples)
    assert [sample["elapsed_s"] for sample in samples] == sorted(sample["elapsed_s"] for sample in samples)


async def test_a_long_run_is_sampled_the_less_often_the_longer_it_lasts(path: Path) -> None:
    async with Journal(path).writing() as journal:
        journal.begin_run({})
        for half_seconds in range(1, 2 * 86_400):
            journal.sample({"done": half_seconds}, half_seconds / 2)
        journal.sample({"done": 2 * 86_400}, 86_400.0, last=True)
    [only] = Journal(path).runs()
    done = [sample["done"] for sample in Journal(path).samples(only)]
    assert done[:3] == [1, 2, 3]
    assert done[-1] == 2 * 86_400
    assert 5000 < len(done) < 8000


@virtual
async def test_neither_the_key_nor_what_a_provider_was_given_is_kept(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    await run(path, 1, provider_options={"answer": "a-secret-of-another-kind"})
    kept = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert b"sk-very-secret" not in kept
    assert b"a-secret-of-another-kind" not in kept


async def test_a_run_that_was_killed_has_no_end(path: Path) -> None:
    async with Journal(path).writing() as journal:
        journal.begin_run({"total": 1})
    [killed] = Journal(path).runs()
    assert killed == Run(killed.id, killed.begun_at, None, {"total": 1}, None)
    assert Journal(path).samples(killed) == []
