"""The rows of a job: which columns are used, and the order of those that are asked and those that are not."""

from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import BatchConfig, ConfigError, FileJob, InputField, OutputField, Signature
from kaizen_batch.agents import Agent, as_agent, create_agent
from kaizen_batch.files.job_rows import JobRows, check_agent, open_input, survey_of, used_columns
from kaizen_batch.files.rows import Row
from kaizen_batch.files.templates import PromptTemplate

CONFIG = BatchConfig(llm_provider="mock")
COLUMNS = ("a", "b", "user")


class Pair(Signature):
    """Compare."""

    a: str = InputField("one")
    b: str = InputField("other", default="none")
    same: bool = OutputField("whether they are the same")


async def anything(**row: Any) -> dict[str, Any]:
    return row


@pytest.mark.parametrize(
    ("options", "agent", "used"),
    [
        ({"template": "{b} {user.name}"}, create_agent(CONFIG), ("b", "user")),
        ({"template": "{b}", "id": "a"}, create_agent(CONFIG), ("b", "a")),
        ({}, create_agent(CONFIG, Pair), ("a", "b")),
        ({}, as_agent(anything), None),
    ],
)
def test_only_the_columns_that_the_agent_sees_are_used(options: Any, agent: Agent, used: Any) -> None:
    assert used_columns(FileJob("in.csv", "out.csv", **options), agent, COLUMNS) == used


def test_what_would_fail_every_row_is_an_error() -> None:
    with pytest.raises(ConfigError, match="a prompt template makes one text, and the signature takes 'a', 'b'"):
        check_agent(PromptTemplate("{a}"), create_agent(CONFIG, Pair), ())
    with pytest.raises(ConfigError, match="the signature takes 'a', and the rows have 'x': pass a template"):
        check_agent(None, create_agent(CONFIG, Pair), ("x",))
    check_agent(None, create_agent(CONFIG, Pair), ("a",))


async def test_rows_that_are_not_asked_wait_for_the_one_behind_them(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text('t\n1\n""\n2\n""\n""\n')
    job = FileJob(tmp_path / "in.csv", tmp_path / "out.csv", template="{t}", on_missing="skip")
    agent = create_agent(CONFIG)
    survey = await survey_of(job, agent, "csv", 2)
    assert (survey.total, survey.skipped) == (5, 3)
    written: list[Row] = []
    with open_input(job) as records:
        rows = JobRows(job, agent, records, survey)
        rows.write_skipped = written.append
        items = rows.items()
        assert len(items) == 2
        assert [(row["t"], row.number, len(row.skipped)) for row in items] == [("1", 1, 0), ("2", 3, 1)]
        assert rows.in_flight == 2
        assert written == [] and rows.skipped == 3
        rows.flush_skipped()
        assert written == [{"t": ""}, {"t": ""}]
