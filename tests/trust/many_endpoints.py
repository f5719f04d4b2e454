"""Rows of a CSV file to Parquet over three endpoints, one of which is killed in the middle and brought back.

    python -m tests.trust.many_endpoints --rows 50000

Exit code 0: every row has its own answer, in order; the run did not stop; the endpoint that came back got calls again;
and the ledgers of the endpoints agree with the journal, call by call and dollar by dollar.
"""

import argparse
import asyncio
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path

import pyarrow.parquet as pq

from kaizen_batch import BatchConfig, FileJob, JobResult, Journal, run_job
from kaizen_batch.agents import create_agent
from kaizen_batch.simulator import Simulator

PRICE = {"input": 0.15, "output": 0.6}


def rows_of(number: int) -> list[str]:
    """The texts of the rows."""
    return [f"row number {each}" for each in range(number)]


@contextmanager
def one_killed(simulators: list[Simulator], rows: int) -> Iterator[list[int]]:
    """Kill the second endpoint after a fifth of the calls, and start it again after half of them.

    Gives its number of calls at both moments.
    """
    moments: list[int] = []
    over = threading.Event()

    def calls() -> int:
        return sum(simulator.ledger.calls for simulator in simulators)

    def wait_for(share: float) -> None:
        while calls() < rows * share and not over.is_set():
            time.sleep(0.002)

    def kill() -> None:
        victim = simulators[1]
        wait_for(0.2)
        victim.__exit__(None, None, None)
        moments.append(victim.ledger.calls)
        wait_for(0.5)
        victim.__enter__()
        moments.append(victim.ledger.calls)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield moments
    finally:
        over.set()
        thread.join()


def run(folder: Path, rows: int) -> tuple[JobResult, list[Simulator], list[int]]:
    """The job, its endpoints, and the calls of the killed one when it died and when it came back."""
    texts = rows_of(rows)
    (folder / "in.csv").write_text("id,text\n" + "".join(f"{n},{text}\n" for n, text in enumerate(texts)))
    with ExitStack() as stack:
        simulators = [
            Simulator(latency_s=0.01, price_input=PRICE["input"], price_output=PRICE["output"]) for _ in range(3)
        ]
        for simulator in simulators:
            stack.enter_context(simulator)
        urls = [simulator.base_url for simulator in simulators]
        config = BatchConfig(
            model="small",
            base_url=urls,
            endpoint_name=urls[0],
            api_key="any",
            max_concurrent=60,
            price=PRICE,
            journal=folder / "journal.db",
        )
        job = FileJob(folder / "in.csv", folder / "out.parquet", template="{text}")
        with one_killed(simulators, rows) as moments:
            result = asyncio.run(run_job(job, create_agent(config), config))
        return result, simulators, moments


def faults_of(folder: Path, rows: int, found: tuple[JobResult, list[Simulator], list[int]]) -> list[str]:
    """What is wrong; nothing if all is right."""
    result, simulators, moments = found
    table = pq.read_table(folder / "out.parquet")
    answers = [f"mock answer to: {text}" for text in rows_of(rows)]
    with Journal(folder / "journal.db") as journal:
        totals = journal.totals()
    billed = sum(simulator.ledger.billed for simulator in simulators)
    usd = sum((Fraction(entry.usd) for each in simulators for entry in each.ledger.entries), Fraction(0))
    summary = result.summary
    checks = {
        "the run stopped": summary.stopped is not None or not result.complete,
        "rows failed": bool(result.rows_failed),
        "ids are out of order": table["id"].to_pylist() != [str(number) for number in range(rows)],
        "answers are wrong": table["result"].to_pylist() != answers,
        "the endpoint was not taken out": moments[0] != moments[1],
        "the endpoint was not taken back": simulators[1].ledger.calls <= moments[1],
        "an answer was paid that nobody has": not rows <= billed <= rows + totals.unanswered,
        "the journal has other costs": abs(float(usd) - totals.spent_usd) > totals.unanswered_usd + 1e-9,
        "calls were made that were not needed": summary.calls > rows + 60 + 40,
    }
    return [fault for fault, is_so in checks.items() if is_so]


def main() -> int:
    """The script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = run(folder, rows)
        faults = faults_of(folder, rows, found)
    result, simulators, moments = found
    print(f"{result.rows_written:,} rows in {result.summary.elapsed_s:.1f} s, {result.summary.calls:,} calls")
    print("calls at each endpoint:", [simulator.ledger.calls for simulator in simulators], "killed at", moments[0])
    print("billed:", sum(s.ledger.billed for s in simulators), "without an answer:", result.summary.unanswered)
    for fault in faults:
        print("FAULT:", fault)
    print("held" if not faults else "NOT held")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
