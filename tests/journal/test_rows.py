"""A job lists every row in its journal: also those that share a request, failed, or were not attempted."""

from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import BatchConfig, Completion, FileJob, Provider, Usage, run_job
from kaizen_batch.agents import create_agent
from kaizen_batch.errors import BadRequestError, QuotaExhaustedError
from kaizen_batch.journal import Journal

ROWS = ["a", "b", "a", "bad", "c", ""]


class Picky(Provider):
    """Refuses one text, and after some calls the account is empty."""

    def __init__(self, calls: int = 100) -> None:
        self.left = calls

    async def complete(self, request: Any) -> Completion:
        self.left -= 1
        if self.left < 0:
            raise QuotaExhaustedError("no", status=429)
        if request.prompt == "Label bad":
            raise BadRequestError("no", status=400)
        return Completion(text=f"label of {request.prompt}", usage=Usage(3, 2))


@pytest.fixture
def job(tmp_path: Path) -> FileJob:
    lines = ["name,text", *(f"n{number},{text}" for number, text in enumerate(ROWS))]
    (tmp_path / "in.csv").write_text("\n".join(lines) + "\n")
    return FileJob(tmp_path / "in.csv", tmp_path / "out.csv", template="Label {text}", id="name")


async def ask(job: FileJob, path: Path, provider: Provider) -> None:
    config = BatchConfig(llm_provider="mock", journal=path, max_concurrent=1)
    await run_job(job, create_agent(config, None, provider), config)


async def test_every_row_is_listed_with_its_name_its_request_and_its_outcome(job: FileJob, path: Path) -> None:
    await ask(job, path, Picky())
    with Journal(path) as journal:
        rows = list(journal.rows(journal.runs()[-1]))
        done = {entry.key for entry in journal.entries(("done",))}
    assert [(row.number, row.id, row.status) for row in rows] == [
        (0, "n0", "ok"),
        (1, "n1", "ok"),
        (2, "n2", "ok"),
        (3, "n3", "failed"),
        (4, "n4", "ok"),
        (5, "n5", "failed"),
    ]
    assert rows[0].key == rows[2].key and {row.key for row in rows if row.status == "ok"} == done
    assert rows[3].key is not None and rows[5].key is None, "a row without a text makes no request"


async def test_rows_that_were_not_attempted_are_listed_and_a_complete_run_takes_the_place_of_earlier_lists(
    job: FileJob, path: Path
) -> None:
    await ask(job, path, Picky(calls=2))
    with Journal(path) as journal:
        first = journal.runs()[-1]
        assert [row.status for row in journal.rows(first)][:3] == ["ok", "ok", "ok"]
        assert "not_attempted" in {row.status for row in journal.rows(first)}
    await ask(job, path, Picky())
    with Journal(path) as journal:
        assert list(journal.rows(first)) == []
        assert len(list(journal.rows(journal.runs()[-1]))) == len(ROWS)
