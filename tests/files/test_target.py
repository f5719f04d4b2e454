"""Where the rows of a job go: names of columns, and rows under their own file."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import BatchConfig, FileJob, JobResult, logging_sink, run_job
from kaizen_batch.agents import create_agent
from kaizen_batch.events import ItemFinished
from kaizen_batch.files.target import OutputNames


def test_a_field_gets_its_column_once() -> None:
    names = OutputNames(["result", "result_result", "id"])
    assert names.all_of(["result", "label", "id"]) == ("result_result_result", "label", "id_result")
    assert names.of("result") == "result_result_result"
    assert names.renamed({"id": 1, "label": 2}) == {"id_result": 1, "label": 2}


async def test_failed_rows_have_the_format_of_the_input_and_the_name_of_the_row(
    tmp_path: Path, write: Any, read: Any
) -> None:
    config = BatchConfig(llm_provider="mock", provider_options={"failures": {400: 1.0}})
    rows = [{"ticket": "T-1", "n": 1.5}, {"ticket": "T-2", "n": None}]
    for format in ("jsonl", "parquet", "csv", "xlsx"):
        source = write(f"in.{format}", rows)
        job = FileJob(source, tmp_path / "out.csv", template="{ticket}", id="ticket")
        result = await run_job(job, create_agent(config), config)
        assert result.failed_output == str(tmp_path / f"out.failed.{format}")
        failed = read(result.failed_output)
        assert [row["row"] for row in failed] == ["T-1", "T-2"] and list(failed[0])[:3] == ["ticket", "n", "row"]


async def test_log_records_name_the_row(tmp_path: Path, write: Any, caplog: pytest.LogCaptureFixture) -> None:
    config = BatchConfig(llm_provider="mock", max_concurrent=3, provider_options={"failures": {400: 0.5}, "seed": 4})
    source = write("in.csv", [{"ticket": f"T-{number}", "n": number} for number in range(40)])
    job = FileJob(source, tmp_path / "out.csv", template="{n}", id="ticket")
    result = await run_job(job, create_agent(config), config, on_event=logging_sink("rows"))
    named = [(record.index, record.row) for record in caplog.records if record.getMessage().startswith("item failed")]
    assert len(named) == result.rows_failed > 5 and all(name == f"T-{index}" for index, name in named)
    assert f"row=T-{named[0][0]} code=bad_request" in caplog.text


async def test_a_sample_names_failed_rows_by_their_place_in_the_file(tmp_path: Path, write: Any, read: Any) -> None:
    config = BatchConfig(llm_provider="mock", provider_options={"failures": {400: 1.0}})
    source = write("in.csv", [{"n": number} for number in range(1, 51)])
    await run_job(FileJob(source, tmp_path / "o.csv", template="{n}", sample=5), create_agent(config), config)
    failed = read(tmp_path / "o.failed.csv")
    assert len(failed) == 5 and all(row["row"] == row["n"] for row in failed)


async def _interrupted(
    tmp_path: Path, write: Any, journal: Path | None, after: int, **options: Any
) -> tuple[JobResult, Any]:
    """A job of 60 rows that is cancelled when so many rows are written, and its result."""
    config = BatchConfig(llm_provider="mock", journal=journal, max_concurrent=3, provider_options={"latency_s": 0.005})
    source = write("in.csv", [{"ticket": f"T-{number}", "n": number} for number in range(60)])
    job = FileJob(source, tmp_path / "out.csv", template="{n}", **options)
    ended: list[JobResult] = []
    started: list[Any] = []
    ready = asyncio.Event()

    def on_event(event: object) -> None:
        if isinstance(event, ItemFinished) and started[0].summary.ok + started[0].in_flight >= after:
            ready.set()

    given: dict[str, Any] = {"on_event": on_event, "on_start": started.append, "on_end": ended.append}
    task = asyncio.create_task(run_job(job, create_agent(config), config, **given))
    await ready.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return ended[0], started[0]


@pytest.mark.parametrize("with_journal", [True, False])
async def test_an_interrupted_job_leaves_every_row_in_one_of_two_files(
    tmp_path: Path, write: Any, read: Any, with_journal: bool
) -> None:
    result, _ = await _interrupted(tmp_path, write, tmp_path / "run.db" if with_journal else None, 20, id="ticket")
    summary = result.summary
    assert summary.total == 60 and summary.ok >= 15 and summary.not_attempted > 0
    assert summary.stopped is not None and "the program cancelled the run" in summary.stopped
    partial, failed = read(tmp_path / "out.partial.csv"), read(tmp_path / "out.failed.csv")
    assert (result.rows_written, result.rows_failed) == (len(partial), len(failed)) and not result.complete
    assert sorted(int(row["n"]) for row in [*partial, *failed]) == list(range(60))
    assert {row["error_code"] for row in failed} == {"not_attempted"}
    assert all(row["row"] == row["ticket"] for row in failed)
    assert failed[0]["error"] == "the run ended before this row was answered: the program cancelled the run"


async def test_an_interruption_after_the_last_row_was_sent_stops_nothing(tmp_path: Path, write: Any, read: Any) -> None:
    result, run = await _interrupted(tmp_path, write, tmp_path / "run.db", 60)
    assert result.complete and result.rows_written == 60 and run.summary.stopped is None
    assert len(read(tmp_path / "out.csv")) == 60
    assert not (tmp_path / "out.partial.csv").exists() and not (tmp_path / "out.failed.csv").exists()


async def test_rows_that_are_read_once_are_not_read_again(tmp_path: Path, write: Any, read: Any) -> None:
    result, _ = await _interrupted(tmp_path, write, None, 10, sample=30)
    assert result.summary.total == 30 and result.summary.not_attempted > 0 and result.failed_output is None


async def test_the_dialect_of_the_input_is_that_of_all_files(tmp_path: Path, read: Any) -> None:
    (tmp_path / "in.csv").write_text("id;text\n1;a\n2;\n3;c, d\n", encoding="utf-8")
    config = BatchConfig(llm_provider="mock")
    await run_job(FileJob(tmp_path / "in.csv", tmp_path / "out.csv", template="{text}"), create_agent(config), config)
    assert (tmp_path / "out.csv").read_text().splitlines()[:2] == ["id;text;result", "1;a;mock answer to: a"]
    assert (tmp_path / "out.failed.csv").read_text().startswith("id;text;row;error_code;error;response")
    other = FileJob(tmp_path / "in.csv", tmp_path / "out.tsv", template="{text}")
    await run_job(other, create_agent(config), config)
    assert (tmp_path / "out.tsv").read_text().startswith("id\ttext\tresult")
