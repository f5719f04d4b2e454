"""The hold of an item on the journal: what is written at each step, and what a run is described by."""

import json
import logging
from pathlib import Path

import pytest

from kaizen_batch import (
    BatchConfig,
    Completion,
    Journal,
    JournalError,
    MockProvider,
    ParallelBatchStrategy,
    RunConfig,
    ServerError,
    Usage,
)
from kaizen_batch.agents import create_agent
from kaizen_batch.engine.journaling import Record, completion_of, describe, may_be_longer
from kaizen_batch.journal import StoredAnswer
from kaizen_batch.limits import Reservation

KEY = b"k" * 32
BODY = b'{"messages": [], "model": "m"}'


async def test_a_record_goes_from_in_flight_to_done(tmp_path: Path) -> None:
    async with Journal(tmp_path / "run.db").writing() as journal:
        record = Record(journal, KEY, 3, BODY)
        assert not record.may_be_known
        await record.begin(Reservation(usd=0.5))
        assert record.may_be_known
        entry = await record.look_up()
        assert entry is not None and (entry.state, entry.item) == ("in_flight", 3)
        await record.done(StoredAnswer(text="yes"), 0.25)
        entry = await record.look_up()
    assert entry is not None and entry.answer is not None
    assert (entry.state, entry.answer.text, entry.spent_usd) == ("done", "yes", 0.25)


async def test_a_call_that_was_not_sent_leaves_no_call_behind(tmp_path: Path) -> None:
    async with Journal(tmp_path / "run.db").writing() as journal:
        record = Record(journal, KEY, 0, BODY)
        await record.begin(Reservation(usd=0.5))
        record.unsent()
    totals = Journal(tmp_path / "run.db").totals()
    assert (totals.attempts, totals.maybe_paid_twice, totals.spent_usd) == (0, 0, 0.0)


async def test_a_call_that_may_be_billed_is_unknown(tmp_path: Path) -> None:
    async with Journal(tmp_path / "run.db").writing() as journal:
        record = Record(journal, KEY, 0, BODY)
        await record.begin(Reservation(usd=0.5))
        record.ended(ServerError("gone"), may_be_billed=True)
    assert Journal(tmp_path / "run.db").count()["unknown"] == 1


async def test_a_refusal_counts_in_this_run_only(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    async with Journal(path).writing() as journal:
        record = Record(journal, KEY, 0, BODY)
        await record.begin(Reservation())
        await record.failed(JournalError("no"))
        entry = await record.look_up()
        assert entry is not None and record.refused_in_this_run(entry) is not None
    async with Journal(path, clock=lambda: 4e9).writing() as journal:
        record = Record(journal, KEY, 0, BODY)
        entry = await record.look_up()
        assert entry is not None and record.refused_in_this_run(entry) is None


def test_a_completion_survives_the_journal() -> None:
    answer = StoredAnswer(text="t", finish_reason="stop", model="m", usage=Usage(1, 2), reasoning="because")
    assert completion_of(answer) == Completion(
        text="t", finish_reason="stop", model="m", usage=Usage(1, 2), reasoning="because"
    )


def test_a_run_is_described_without_secrets() -> None:
    config = BatchConfig(llm_provider="mock", api_key="sk-secret", provider_options={"latency_s": 0.1})
    described = describe(create_agent(config, None, MockProvider()), RunConfig(max_concurrent=7))
    assert described["config"]["max_concurrent"] == 7
    assert "sk-secret" not in json.dumps(described)
    assert "provider_options" not in described["config"]


@pytest.mark.parametrize(
    ("options", "reason", "limit", "longer"),
    [
        ({"max_tokens": 200}, "length", 100, True),
        ({"max_tokens": None}, "length", 100, False),
        ({"max_tokens": 100}, "length", 100, False),
        ({"max_tokens": 200}, "stop", 100, False),
        ({"max_tokens": 200}, "length", None, False),
        ({}, "length", 100, False),
    ],
)
def test_a_cut_off_answer_may_be_longer_only_with_a_higher_limit_of_the_user(
    options: dict[str, int | None], reason: str, limit: int | None, longer: bool
) -> None:
    agent = create_agent(BatchConfig(llm_provider="mock", **options), None, MockProvider())  # type: ignore[arg-type]
    answer = StoredAnswer(text="t", finish_reason=reason, max_tokens=limit)
    assert may_be_longer(agent, answer) is longer


async def test_answers_that_may_be_requested_again_are_announced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "run.db"
    async with Journal(path).writing() as journal:
        record = Record(journal, KEY, 0, BODY)
        await record.begin(Reservation())
        await record.done(StoredAnswer(text="cut", finish_reason="length", max_tokens=5), 0.0)
    agent = create_agent(BatchConfig(llm_provider="mock", journal=path, max_tokens=50), None, MockProvider())
    with caplog.at_level(logging.WARNING):
        await ParallelBatchStrategy(journal=path).run_batch(agent, ["a"])
    assert "up to 1 answers in the journal were cut off" in caplog.text
