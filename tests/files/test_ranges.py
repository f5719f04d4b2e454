"""A range of rows: the same rows as in a reading of the whole file, in every format, also from a known byte."""

import asyncio
import json
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kaizen_batch import BatchConfig, ConfigError, FileJob, run_job
from kaizen_batch.agents import create_agent
from kaizen_batch.files.reader import open_records

ROWS = [{"n": str(number), "text": f'line one of {number}\nline "two", größer'} for number in range(40)]
FORMATS = ["csv", "tsv", "jsonl", "parquet", "json", "arrow", "xlsx", "csv.gz", "jsonl.gz"]


def written(folder: Path, name: str) -> Path:
    from kaizen_batch.files.writer import record_writer

    path = folder / f"in.{name}"
    if name == "parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), path, row_group_size=7)
        return path
    rows = [{**row, "text": row["text"].replace("\n", " ")} for row in ROWS] if name == "tsv" else ROWS
    with record_writer(path) as writer:
        for row in rows:
            writer.write(dict(row))
    return path


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("start", [0, 1, 6, 7, 20, 39, 40])
def test_skipping_gives_the_rows_that_follow(tmp_path: Path, name: str, start: int) -> None:
    path = written(tmp_path, name)
    with open_records(path) as records:
        expected = [dict(row) for row in islice(records, start, None)]
    with open_records(path) as records:
        if start:
            records.skip(start)
        found = []
        for number, row in enumerate(records, start + 1):
            assert records.rows_read == number
            found.append(dict(row))
    assert found == expected and len(found) == 40 - start


def test_row_groups_of_parquet_before_the_range_are_not_decoded(tmp_path: Path) -> None:
    path = written(tmp_path, "parquet")
    data = bytearray(path.read_bytes())
    data[4:60] = bytes(56)  # the first pages are destroyed
    path.write_bytes(data)
    with open_records(path) as records:
        records.skip(21)
        assert [row["n"] for row in records] == [str(number) for number in range(21, 40)]


def run(job: FileJob, **options: Any) -> Any:
    config = BatchConfig(llm_provider="mock", **options)
    return asyncio.run(run_job(job, create_agent(config), config))


@pytest.mark.parametrize("name", ["csv", "jsonl", "parquet"])
def test_a_job_over_a_range_writes_its_rows_only(tmp_path: Path, name: str) -> None:
    job = FileJob(written(tmp_path, name), tmp_path / "out.jsonl", template="{text}", rows=(5, 17))
    result = run(job)
    assert (result.rows_read, result.rows_written, result.summary.total) == (12, 12, 12)
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["n"] for line in lines] == [str(number) for number in range(5, 17)]


def test_limit_and_sample_apply_within_the_range(tmp_path: Path) -> None:
    source = written(tmp_path, "csv")
    assert run(FileJob(source, tmp_path / "a.csv", template="{text}", rows=(5, 17), limit=3)).rows_written == 3
    assert run(FileJob(source, tmp_path / "b.csv", template="{text}", rows=(5, 17), sample=4)).rows_written == 4
    assert run(FileJob(source, tmp_path / "c.csv", template="{text}", rows=(38, 99))).rows_written == 2


def test_failed_rows_keep_their_numbers_in_the_input(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text,b\n" + "x,y\n" * 6 + ",\n")
    result = run(FileJob(tmp_path / "in.csv", tmp_path / "out.csv", template="{text}", rows=(4, 7)))
    assert result.rows_failed == 1
    assert (tmp_path / "out.failed.csv").read_text().splitlines()[1].startswith(",,7,missing_values")


@pytest.mark.parametrize("rows", [(3, 2), (-1, 4), (0,), [0, 4], (0, 2.5), 7, (True, 4)])
def test_what_is_no_range_is_refused(tmp_path: Path, rows: Any) -> None:
    with pytest.raises(ConfigError, match=r"rows is a tuple \(start, stop\)"):
        FileJob(tmp_path / "in.csv", tmp_path / "out.csv", rows=rows)
