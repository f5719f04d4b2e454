"""A big job that is killed in the middle: CSV in, Parquet out, a journal, the mock provider.

    python -m tests.files.big_job --rows 1000000 [--kill-at 0.5] [--limit-mb 300]

A process does the job and is killed with SIGKILL as soon as a share of the rows is answered; a second does it again. At
the end the output must hold every row with its own answer, in order; no row that the journal had may be asked again;
and no process may have had more than the limit in memory at any time. Exit code 1 if not.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from kaizen_batch import BatchConfig, FileJob, ItemFinished, Journal, open_records, record_writer, run_job
from kaizen_batch.agents import create_agent

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = "Classify ticket {id}: {text}"
CONCURRENT = 50


def text_of(number: int) -> str:
    """The text of a row: commas, quotes, a line break, other letters."""
    return f'ticket "{number}", it says:\nÜber {number * 7 % 1000} Grad, and then it went on for quite some time'


def peak_mb() -> float:
    """The most memory that this process has had. Not ru_maxrss: that knows the size of the parent."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def write_input(path: Path, rows: int) -> None:
    """The rows to ask."""
    with record_writer(path) as writer:
        for number in range(rows):
            writer.write({"id": number, "text": text_of(number)})


async def work(folder: Path, die_at: int | None) -> None:
    """One process's part: the job, and on stdout what it took; dies when so many rows are done."""
    config = BatchConfig(llm_provider="mock", max_concurrent=CONCURRENT, journal=folder / "run.db")
    job = FileJob(folder / "in.csv", folder / "out.parquet", template=TEMPLATE)
    done = 0

    def tell(event: Any) -> None:
        nonlocal done
        done += isinstance(event, ItemFinished)
        if done == die_at:
            print(json.dumps({"peak_mb": peak_mb(), "done": done}), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

    result = await run_job(job, create_agent(config), config, on_event=tell)
    told = {"peak_mb": peak_mb(), "written": result.rows_written, "summary": result.summary.to_dict()}
    print(json.dumps(told), flush=True)


def run(folder: Path, die_at: int | None = None) -> dict[str, Any]:
    """Do the job in a process of its own."""
    command = [sys.executable, "-m", "tests.files.big_job", "--work", str(folder)]
    command += ["--die-at", str(die_at)] if die_at is not None else []
    began = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, check=False)
    told = json.loads(done.stdout or "{}")
    return {**told, "code": done.returncode, "seconds": time.perf_counter() - began}


def wrong_rows(output: Path, rows: int) -> list[str]:
    """What is wrong with the output."""
    wrong, number = [], -1
    with open_records(output) as records:
        for number, row in enumerate(records):
            text = text_of(number)
            expected = {"id": str(number), "text": text, "result": f"mock answer to: Classify ticket {number}: {text}"}
            if row != expected:
                wrong.append(f"row {number} is {row}")
    if number + 1 != rows:
        wrong.append(f"{number + 1} rows in place of {rows}")
    return wrong[:5]


def play(folder: Path, rows: int, kill_share: float, limit_mb: float) -> list[str]:
    """The whole of it; what did not hold."""
    write_input(folder / "in.csv", rows)
    first = run(folder, die_at=max(1, int(rows * kill_share)))
    print(f"first:  killed ({first['code']}) after {first.get('done', 0):,} rows, {figures(first)}")
    kept = Journal(folder / "run.db").count()
    print(f"        the journal has {kept['done']:,} done, {kept['in_flight']:,} in flight")
    faults = [] if first["code"] == -signal.SIGKILL else ["the first process was not killed"]
    if (folder / "out.parquet").exists():
        faults.append("the killed process left an output")
    second = run(folder)
    summary = second["summary"]
    print(f"second: {second['written']:,} rows, {summary['calls']:,} calls, {figures(second)}")
    if summary["calls"] != rows - kept["done"]:
        faults.append(f"{summary['calls']} calls in place of {rows - kept['done']}")
    faults += wrong_rows(folder / "out.parquet", rows)
    faults += [f"{run['peak_mb']:.0f} MB" for run in (first, second) if run["peak_mb"] > limit_mb]
    left = sorted(path.name for path in folder.iterdir())
    if left != ["in.csv", "out.parquet", "run.db", "run.db.lock"]:
        faults.append(f"files that nobody asked for: {left}")
    return faults


def figures(told: dict[str, Any]) -> str:
    """Time and memory."""
    return f"{told['seconds']:.1f} s, peak {told['peak_mb']:.0f} MB"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--kill-at", type=float, default=0.5, help="share of the rows")
    parser.add_argument("--limit-mb", type=float, default=300)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--die-at", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work is not None:
        asyncio.run(work(options.work, options.die_at))
        return
    with tempfile.TemporaryDirectory() as folder:
        faults = play(Path(folder), options.rows, options.kill_at, options.limit_mb)
    print("held: every row has its answer, none was asked twice" if not faults else "\n".join(faults))
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
