"""A row has one name everywhere: the value of its `id` column, else its number from 1."""

import asyncio
import csv
import logging
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import BatchConfig, BatchError, Completion, FileJob, Provider, run_job
from kaizen_batch.agents import create_agent
from kaizen_batch.errors import BadRequestError
from kaizen_batch.events import BatchProgress, Event
from kaizen_batch.journal import Journal
from kaizen_batch.observers.logs import logging_sink
from kaizen_batch.report.facts import read_facts
from kaizen_batch.report.page import render
from kaizen_batch.results.texts.names import item_name

IDS = ["T-1", "T-22", "T\x1b[31m-3", "T-4"]


class Refuses(Provider):
    """Refuses the third row, and takes its time for the fourth."""

    async def complete(self, request: Any) -> Completion:
        if request.prompt == "Label text 3":
            raise BadRequestError("no", status=400)
        if request.prompt == "Label text 4":
            await asyncio.sleep(1.2)
        return Completion(text="fine")


def job(folder: Path, id: str | None) -> FileJob:
    with (folder / "in.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["name", "text"])
        rows.writerows([name, f"text {number}"] for number, name in enumerate(IDS, 1))
    return FileJob(folder / "in.csv", folder / "out.csv", template="Label {text}", id=id)


def config(folder: Path, **options: Any) -> BatchConfig:
    return BatchConfig(llm_provider="mock", journal=folder / "run.db", max_concurrent=1, **options)


async def ask(folder: Path, id: str | None, on_event: Any = None, **options: Any) -> None:
    given = config(folder, **options)
    await run_job(job(folder, id), create_agent(given, None, Refuses()), given, on_event=on_event)


both = pytest.mark.parametrize(("id", "third", "fourth"), [("name", "T\x1b[31m-3", "T-4"), (None, "3", "4")])


@both
@pytest.mark.looptime(start=0)
async def test_progress_journal_failed_file_and_report_call_a_row_the_same(
    tmp_path: Path, id: str | None, third: str, fourth: str
) -> None:
    seen: list[BatchProgress] = []

    def keep(event: Event) -> None:
        if isinstance(event, BatchProgress):
            seen.append(event)

    await ask(tmp_path, id, keep)
    slow = [each for each in seen if each.oldest_call_s and each.oldest_item == 3]
    assert {item_name(each.oldest_item or 0, "row", each.oldest_row) for each in slow} == {f"row {fourth}"}
    with Journal(tmp_path / "run.db") as journal:
        rows = {row.number: row.name for row in journal.rows(journal.runs()[-1])}
        assert (rows[2], rows[3]) == (third, fourth)
        facts = read_facts(journal, 0.0)
    [failure] = facts.failures
    assert facts.name_of(failure.examples[0]).endswith(third)
    assert any(facts.name_of(entry).endswith(fourth) for entry in facts.details.slowest)
    assert f"{fourth}</span>" in render(facts)
    with (tmp_path / "out.failed.csv").open(newline="") as file:
        [failed] = csv.DictReader(file)
    assert failed["row"] == third


@both
async def test_an_error_and_a_log_record_name_it_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, id: str | None, third: str, fourth: str
) -> None:
    shown = third.replace("\x1b", r"\u001b")  # nothing of a row reaches a terminal raw
    with caplog.at_level(logging.WARNING), pytest.raises(BatchError) as caught:
        await ask(tmp_path, id, logging_sink(), on_error="raise")
    assert caught.value.message == f"row {shown} failed: no" and caught.value.index == 2
    [record] = [record for record in caplog.records if record.getMessage().startswith("item failed ")]
    assert getattr(record, "row", None) == (shown if id else None)
