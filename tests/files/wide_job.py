"""A wide Parquet file through a job: peak memory, and the share of the time that the survey takes.

    python -m tests.files.wide_job                  a million rows of 20 columns, to Parquet
    python -m tests.files.wide_job --rows 20000

Exit code 0 if the peak stays below the limit, the survey below its share, and every input cell is what pyarrow reads.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kaizen_batch import BatchConfig, FileJob
from kaizen_batch.agents import create_agent
from kaizen_batch.files import jobs
from tests.files.big_job import peak_mb

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = 20
_GROUP = 50_000
_START = datetime(2024, 1, 1, tzinfo=UTC)


def write_input(path: Path, rows: int) -> None:
    """Twenty columns of eight types."""
    with_schema = None
    for start in range(0, rows, _GROUP):
        numbers = range(start, min(rows, start + _GROUP))
        table = pa.table({f"c{index}": _column(index, numbers) for index in range(COLUMNS)})
        if with_schema is None:
            with_schema = pq.ParquetWriter(path, table.schema)
        with_schema.write_table(table)
    assert with_schema is not None
    with_schema.close()


def _column(index: int, numbers: range) -> Any:
    kinds: list[Any] = [
        lambda: pa.array([f"text number {n} of column {index}" for n in numbers]),
        lambda: pa.array(numbers, pa.int64()),
        lambda: pa.array([n / 7 for n in numbers], pa.float32()),
        lambda: pa.array([f"label {n % 50}" for n in numbers]).dictionary_encode(),
        lambda: pa.array([_START + timedelta(seconds=n) for n in numbers]),
        lambda: pa.array([n % 2 == 0 for n in numbers]),
        lambda: pa.array([[n, n + 1] for n in numbers]),
        lambda: pa.array([{"a": n, "b": str(n)} for n in numbers]),
    ]
    return kinds[index % len(kinds)]()


async def work(folder: Path) -> None:
    """The job, and what it cost."""
    config = BatchConfig(llm_provider="mock", max_concurrent=50)
    survey_s = 0.0
    survey = jobs.survey_of

    async def timed(*args: Any) -> Any:
        nonlocal survey_s
        began = time.process_time()
        found = await survey(*args)
        survey_s = time.process_time() - began
        return found

    jobs.survey_of = timed
    began = time.process_time()
    job = FileJob(folder / "in.parquet", folder / "out.parquet", template="Classify: {c0}")
    result = await jobs.run_job(job, create_agent(config), config)
    total_s = time.process_time() - began
    report = {"peak_mb": peak_mb(), "rows": result.rows_written, "survey_s": survey_s, "total_s": total_s}
    print(json.dumps(report), flush=True)


def wrong_cells(folder: Path) -> list[str]:
    """The columns whose cells are not those of the input."""
    source, target = folder / "in.parquet", folder / "out.parquet"
    names = pq.read_schema(source).names
    pairs = ((name, *(pq.read_table(path, columns=[name]) for path in (source, target))) for name in names)
    return [f"column {name} differs" for name, before, after in pairs if not after.equals(before)]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--limit-mb", type=float, default=300)
    parser.add_argument("--survey-share", type=float, default=0.10)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work is not None:
        asyncio.run(work(options.work))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_input(folder / "in.parquet", options.rows)
        command = [sys.executable, "-m", "tests.files.wide_job", "--work", str(folder)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, check=True)
        found = json.loads(done.stdout)
        share = found["survey_s"] / found["total_s"]
        cost = f"{found['total_s']:.1f} s of CPU, peak {found['peak_mb']:.0f} MB"
        print(f"{found['rows']:,} rows of {COLUMNS} columns: {cost}")
        print(f"survey: {found['survey_s']:.2f} s of CPU, {share:.1%} of the job")
        faults = wrong_cells(folder)
    faults += [f"peak {found['peak_mb']:.0f} MB"] if found["peak_mb"] > options.limit_mb else []
    faults += [f"the survey took {share:.1%}"] if share > options.survey_share else []
    print("held: every cell of the input is in the output" if not faults else "\n".join(faults))
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
