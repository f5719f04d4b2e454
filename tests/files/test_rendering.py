"""A journal keeps the rendering that it began with, so that no improvement of reading pays a question again."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kaizen_batch import BatchConfig, FileJob, JobResult, Journal, run_job
from kaizen_batch.agents import create_agent
from kaizen_batch.files import jobs
from kaizen_batch.files.rendering import LABEL, config_and_rendering


async def run(folder: Path, source: Path, template: str) -> JobResult:
    config = BatchConfig(llm_provider="mock", journal=folder / "run.db")
    return await run_job(FileJob(source, folder / "out.csv", template=template), create_agent(config), config)


def first_rendering(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Run as the release before did: rendering 1, without a label."""
    monkeypatch.setattr(jobs, "config_and_rendering", lambda config: (config, 1))
    return monkeypatch


@pytest.mark.parametrize("case", ["float32", "nan", "tsv", "delimiter"])
async def test_a_journal_of_the_first_rendering_pays_nothing_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str, read: Any
) -> None:
    source = tmp_path / {"tsv": "in.tsv", "delimiter": "in.csv"}.get(case, "in.parquet")
    if case == "tsv":
        source.write_text('x\n"a b"\n')
    elif case == "delimiter":
        source.write_text("x|y\na|b\n")
    else:
        values = pa.array([0.1, 3.3], pa.float32()) if case == "float32" else pa.array([float("nan"), 1.5])
        pq.write_table(pa.table({"x": values, "t": ["a", "b"]}), source)
    template = {"tsv": "{x}", "delimiter": "{x|y}"}.get(case, "{x} {t}")
    with monkeypatch.context() as old:
        first_rendering(old)
        first = await run(tmp_path, source, template)
    again = await run(tmp_path, source, template)
    assert first.summary.calls == first.rows_written > 0
    assert (again.summary.calls, again.summary.from_journal) == (0, first.rows_written)
    old_answers = {"float32": "0.10000000149011612 a", "nan": "NaN a", "tsv": "a b", "delimiter": "a|b"}
    assert read(tmp_path / "out.csv")[0]["result"] == f"mock answer to: {old_answers[case]}"


async def test_a_new_journal_notes_the_newest_rendering_and_keeps_it(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("x\na\n")
    await run(tmp_path, tmp_path / "in.csv", "{x}")
    await run(tmp_path, tmp_path / "in.csv", "{x}")
    runs = Journal(tmp_path / "run.db").runs()
    assert [each.description["config"]["labels"] for each in runs] == [{LABEL: "2"}] * 2


def test_without_a_journal_there_is_nothing_to_keep() -> None:
    config = BatchConfig(llm_provider="mock")
    assert config_and_rendering(config) == (config, 2)
