"""A big job in batch mode: CSV in, CSV out, the simulator in a process of its own.

    python -m tests.files.big_batch --rows 200000 [--limit-mb 300]

At the end every row must have its own answer, each was billed once, and the job may not have had more than the limit in
memory at any time. Exit code 1 if not.
"""

import argparse
import asyncio
import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

from kaizen_batch import BatchConfig, FileJob, run_job
from kaizen_batch.agents import create_agent
from tests.files.big_job import ROOT, peak_mb

WORDS = " ".join(f"word{number}" for number in range(40))


def prompt_of(number: int) -> str:
    """The prompt of a row, some 300 bytes."""
    return f"row {number}: {WORDS}"


def write_input(path: Path, rows: int) -> None:
    """The rows to ask."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text"])
        writer.writerows([prompt_of(number)] for number in range(rows))


def work(folder: Path, url: str) -> float:
    """The job; the most memory that it took, in MiB."""
    config = BatchConfig(
        base_url=url, api_key="any", journal=folder / "run.db", mode="batch", batches={"poll_s": 0.2}, max_concurrent=50
    )
    job = FileJob(folder / "in.csv", folder / "out.csv", template="{text}")
    result = asyncio.run(run_job(job, create_agent(config), config))
    assert result.complete, result.summary
    return peak_mb()


def right_rows(path: Path) -> int:
    """How many rows, in order, have their own answer."""
    with path.open(newline="") as file:
        rows = enumerate(csv.DictReader(file))
        return sum(row["result"] == f"mock answer to: {prompt_of(number)}" for number, row in rows)


def main(rows: int, limit_mb: float) -> int:
    """Run it, and print what was found."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    serve = [sys.executable, "-m", "kaizen_batch.simulator", "--batch-s", "2"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_input(folder / "in.csv", rows)
        with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True, env=environment) as server:
            try:
                assert server.stdout is not None
                url = server.stdout.readline().strip().removeprefix("OPENAI_BASE_URL=")
                again = [sys.executable, "-m", "tests.files.big_batch", "--work", name, "--url", url]
                done = subprocess.run(again, env=environment, check=True, capture_output=True, text=True)
                with build_opener(ProxyHandler({})).open(url.removesuffix("/v1") + "/ledger?entries=0") as reply:
                    billed = json.load(reply)["billed"]
            finally:
                server.kill()
        found, peak = right_rows(folder / "out.csv"), float(done.stdout)
    print(f"{found:,} of {rows:,} rows right, {billed:,} billed, peak {peak:.0f} MiB (limit {limit_mb:.0f})")
    return int(found != rows or billed != rows or peak > limit_mb)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--limit-mb", type=float, default=300.0)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--url", default="")
    given = parser.parse_args()
    if given.work is not None:
        print(work(given.work, given.url))
    else:
        sys.exit(main(given.rows, given.limit_mb))
