"""Where the rows of a job go: names of columns, and rows under their own file."""

from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import BatchConfig, FileJob, logging_sink, run_job
from kaizen_batch.agents import create_agent
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
