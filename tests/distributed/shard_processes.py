"""`--shard` processes, some of which are killed with -9 and started again, against one process.

    python -m tests.distributed.shard_processes --shards 8 --killed 2 5 7

Exit code 0: the merged output is byte for byte that of one process, the sums are those of the endpoint's ledger, what
was paid twice is at most what was in flight and is reported, and no file of the run folder holds the key.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kaizen_batch import Journal
from kaizen_batch.distributed import LocalFolder, merged_journal
from kaizen_batch.simulator import Simulator

IN_FLIGHT = 2
_LONGEST_S = 200.0
KEY = "sk-of-the-environment"
_QUESTION = ["--prompt", "Classify: {text}", "--price", "0.15", "0.6", "--progress", "none"]


def start(folder: Path, url: str, *words: str) -> "subprocess.Popen[bytes]":
    """A command of the package in a process of its own."""
    environment = {**os.environ, "OPENAI_BASE_URL": url, "OPENAI_API_KEY": KEY}
    command = [sys.executable, "-m", "kaizen_batch", *words]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(process: "subprocess.Popen[bytes]") -> None:
    """Wait for its end, which must be a good one."""
    _, errors = process.communicate(timeout=_LONGEST_S)
    if process.returncode:
        raise AssertionError(errors.decode())


def run_all(folder: Path, url: str, shards: int, killed: list[int]) -> None:
    """Run all shards at once, kill some of them, and run those again."""

    def shard(number: int) -> "subprocess.Popen[bytes]":
        limits = ["--max-concurrent", str(IN_FLIGHT * shards), "--output", "out.csv"]
        return start(folder, url, "run", "in.csv", *_QUESTION, *limits, "--shard", f"{number}/{shards}")

    running = {number: shard(number) for number in range(1, shards + 1)}
    for number in killed:
        journal = folder / "out.csv.run" / "journals" / f"{number:04d}.db-wal"
        until = time.monotonic() + _LONGEST_S
        while not journal.exists() and running[number].poll() is None:
            assert time.monotonic() < until, f"shard {number} has not begun"
            time.sleep(0.005)
        time.sleep(0.15)
        running[number].kill()
        running[number].communicate(timeout=_LONGEST_S)
    for number, process in running.items():
        if number not in killed:
            finish(process)
    for process in [shard(number) for number in killed]:
        finish(process)


def faults_of(folder: Path, rows: int, shards: int, killed: list[int]) -> list[str]:
    """Do it all; what is wrong, nothing if all is right."""
    lines = (f'{number},"row {number}, in\ntwo lines"\n' for number in range(rows))
    (folder / "in.csv").write_text("id,text\n" + "".join(lines))
    with Simulator(latency_s=0.1, price_input=0.15, price_output=0.6) as simulator:
        run_all(folder, simulator.base_url, shards, killed)
        calls, billed, usd = simulator.ledger.calls, simulator.ledger.billed, simulator.ledger.usd
        finish(start(folder, simulator.base_url, "merge", "out.csv.run"))
        calls_of_merge = simulator.ledger.calls - calls
        single = ["run", "in.csv", *_QUESTION, "--max-concurrent", "50", "--output", "one.csv", "--no-journal"]
        finish(start(folder, simulator.base_url, *single))
    with merged_journal(LocalFolder(folder / "out.csv.run")) as path, Journal(path) as journal:
        totals, answered = journal.totals(), journal.count()["done"]
    most = len(killed) * IN_FLIGHT
    checks = {
        "the output is another": (folder / "out.csv").read_bytes() != (folder / "one.csv").read_bytes(),
        "the merge made calls": calls_of_merge != 0,
        "answers are missing": answered != rows,
        "more was paid twice than was in flight": not rows <= billed <= rows + most,
        # A call is recorded before it has its slot, so some that are reported were never sent.
        "what was paid twice is not reported": not billed - rows <= totals.unanswered <= 2 * most,
        "the costs are others": not totals.spent_usd - 1e-9 <= usd <= totals.spent_usd + totals.unanswered_usd + 1e-9,
        "a file holds the key": any(
            file.is_file() and KEY.encode() in file.read_bytes() for file in (folder / "out.csv.run").rglob("*")
        ),
    }
    print(f"{rows} rows, {billed} billed, {totals.unanswered} reported as perhaps paid twice")
    return [fault for fault, is_so in checks.items() if is_so]


def main() -> int:
    """The script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--killed", type=int, nargs="*", default=[2, 5, 7])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        faults = faults_of(Path(folder), given.rows, given.shards, given.killed)
    print("\n".join(f"FAULT: {fault}" for fault in faults) or "held")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
