"""Batches of a provider in the report: they are listed, and their times are no latencies."""

import asyncio
from pathlib import Path

from kaizen_batch import BatchConfig, Journal, ParallelBatchStrategy
from kaizen_batch.agents import create_agent
from kaizen_batch.report.facts import read_facts
from kaizen_batch.report.page import render
from kaizen_batch.simulator import Simulator

PROMPTS = [f"question {number}" for number in range(12)]


def test_open_batches_are_listed_and_collected_ones_are_no_latencies(tmp_path: Path) -> None:
    journal = tmp_path / "run.db"
    with Simulator(batch_s=3.0) as simulator:
        config = BatchConfig(
            base_url=simulator.base_url, journal=journal, mode="batch", batches={"live_first": 2, "poll_s": 0.02}
        )
        agent = create_agent(config)
        asyncio.run(ParallelBatchStrategy(detach=True).run_batch(agent, PROMPTS))
        facts = read_facts(Journal(journal), now=Journal(journal).batches()[0].begun_at + 60)
        [line] = [line for line in facts.sentences if line.label == "batches"]
        assert line.text.startswith("batch_000001: 10 rows, ") and "made 1 min 00 s ago" in line.text
        assert "batch_000001: 10 rows" in render(facts)
        asyncio.run(ParallelBatchStrategy().run_batch(agent, PROMPTS))
    facts = read_facts(Journal(journal), now=0.0)
    assert (facts.details.latency.count, facts.details.answered) == (2, 12)
    assert "10 rows collected from earlier batches" in [line.text for line in facts.sentences]
