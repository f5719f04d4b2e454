"""A job on two nodes of a Ray cluster, in which everything that can die is killed with -9: against one process.

    python -m tests.distributed.ray_kill [--rows 400] [--kill worker node leases driver]

Killed in one run: a worker, a node, the actor that leases limits, and the driver, which is started again. Exit code 0:
all answers are right and in order, the output is byte for byte that of one process, what was paid twice is at most
what was in flight and is reported, and the endpoint's ledger shows that no limit and no budget was ever exceeded.
"""

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kaizen_batch import BatchConfig, FileJob, Journal, run_job
from kaizen_batch.agents import create_agent
from kaizen_batch.distributed import LocalFolder, merged_journal
from kaizen_batch.simulator import Simulator

KEY, WORKERS, CONCURRENT, PER_SECOND = "sk-of-the-workers", 4, 16, 60
PRICE = {"input": 0.15, "output": 0.6}
BUDGET_USD = 0.02
EVERYTHING = ("worker", "node", "leases", "driver")
_LATENCY_S = 0.1
_LONGEST_S = 150.0


def config_of(url: str, **options: Any) -> BatchConfig:
    """The options of the job."""
    given: dict[str, Any] = {"model": "small", "max_tokens": 50, "price": PRICE, "max_concurrent": CONCURRENT}
    return BatchConfig(base_url=url, **{**given, **options})


def job_of(folder: Path, output: str) -> FileJob:
    """The job."""
    return FileJob(folder / "in.csv", folder / output, template="{text}")


def drive(folder: Path, url: str, address: str) -> None:
    """What the driver process does."""
    from kaizen_batch.distributed.ray_executor import RayExecutor

    config = config_of(url, requests_per_second=PER_SECOND, tokens_per_minute=1_000_000, budget_usd=BUDGET_USD)
    executor = RayExecutor(address=address, workers=WORKERS)
    result = asyncio.run(run_job(job_of(folder, "out.csv"), create_agent(config), config, executor=executor))
    print(result.summary, flush=True)
    sys.exit(0 if result.complete else 3)


@contextmanager
def cluster() -> Iterator[Any]:
    """A head without work and two nodes, on the loopback interface."""
    from ray.cluster_utils import Cluster

    store = {"object_store_memory": 80 * 2**20}
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **store})
    try:
        made.workers_of_test = [made.add_node(num_cpus=WORKERS // 2, **store) for _ in range(2)]
        made.store_of_test = store
        yield made
    finally:
        made.shutdown()


def processes(title: str) -> list[int]:
    """The processes of this test's cluster with this title, by their ids."""
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and _descends(int(path.name)):
            try:
                command = (path / "cmdline").read_bytes()
            except OSError:
                continue
            if command.startswith(f"ray::{title}".encode()):
                found.append(int(path.name))
    return found


def one_of(title: str, driver: "subprocess.Popen[bytes]") -> int:
    """One of these processes, as soon as there is one. Raises: AssertionError if the job is over."""
    until = time.monotonic() + _LONGEST_S
    while not (found := processes(title)):
        assert time.monotonic() < until, f"there is no {title}"
        assert driver.poll() is None, f"the job was over before a {title} could be killed"
        time.sleep(0.01)
    return found[0]


def _descends(pid: int) -> bool:
    while pid > 1:
        if pid == os.getpid():
            return True
        try:
            pid = int((Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            return False
    return False


def start(folder: Path, url: str, address: str) -> "subprocess.Popen[bytes]":
    """The driver."""
    command = [sys.executable, "-m", "tests.distributed.ray_kill", "--drive", str(folder), url, address]
    return subprocess.Popen(command)


def kill_all(made: Any, simulator: Simulator, driver: Any, rows: int, kinds: list[str], again: Any) -> Any:
    """Kill one of each kind, spread over the run; the driver that is running in the end."""
    for place, kind in enumerate(kinds, 1):
        wanted = rows * place // (len(kinds) + 1)
        until = time.monotonic() + _LONGEST_S
        while simulator.ledger.calls < wanted and driver.poll() is None:
            assert time.monotonic() < until, f"only {simulator.ledger.calls} calls were made"
            time.sleep(0.01)
        if kind == "worker":
            os.kill(one_of("run_task", driver), signal.SIGKILL)
        elif kind == "leases":
            os.kill(one_of("Leases", driver), signal.SIGKILL)
        elif kind == "node":
            made.remove_node(made.workers_of_test.pop(), allow_graceful=False)
            made.workers_of_test.append(made.add_node(num_cpus=WORKERS // 2, **made.store_of_test))
        else:
            driver.kill()
            driver.wait(_LONGEST_S)
            driver = again()
        print(f"killed: {kind} after {simulator.ledger.calls} calls", flush=True)
    return driver


def faults_of(folder: Path, rows: int, kinds: list[str]) -> list[str]:
    """Do it all; what is wrong, nothing if all is right."""
    os.environ.update(
        {"OPENAI_API_KEY": KEY, "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_USAGE_STATS_ENABLED": "0"}
    )
    lines = (f'{number},"row {number}, in\ntwo lines"\n' for number in range(rows))
    (folder / "in.csv").write_text("id,text\n" + "".join(lines))
    limits = {"requests_per_minute": PER_SECOND * 60, "window_s": 1.0}
    with Simulator(latency_s=_LATENCY_S, price_input=0.15, price_output=0.6, **limits) as simulator, cluster() as made:
        again = lambda: start(folder, simulator.base_url, made.address)  # noqa: E731
        driver = kill_all(made, simulator, again(), rows, kinds, again)
        code = driver.wait(_LONGEST_S)
        billed, usd, throttled = simulator.ledger.billed, simulator.ledger.usd, _throttled(simulator)
        worst = simulator.ledger.worst_window(1.0)[0]
        if code:
            return [f"the driver ended with {code}"]
    with Simulator() as simulator:
        config = config_of(simulator.base_url)
        asyncio.run(run_job(job_of(folder, "one.csv"), create_agent(config), config))
    with merged_journal(LocalFolder(folder / "out.csv.run")) as path, Journal(path) as journal:
        totals, answered = journal.totals(), journal.count()["done"]
    # A killed driver takes all workers with it, a node its own.
    most = sum({"worker": 1, "node": 2, "leases": 0, "driver": WORKERS}[kind] for kind in kinds) * CONCURRENT // WORKERS
    checks = {
        "the output is another": (folder / "out.csv").read_bytes() != (folder / "one.csv").read_bytes(),
        "answers are missing": answered != rows,
        "more was paid twice than was in flight": not rows <= billed <= rows + most,
        "what was paid twice is not reported": billed - rows > totals.unanswered,
        "the budget was exceeded": usd > BUDGET_USD,
        "the rate was exceeded": worst > PER_SECOND or throttled > 0,
        "the costs are others": not totals.spent_usd - 1e-9 <= usd <= totals.spent_usd + totals.unanswered_usd + 1e-9,
        "a file holds the key": any(
            file.is_file() and KEY.encode() in file.read_bytes() for file in (folder / "out.csv.run").rglob("*")
        ),
    }
    print(f"{rows} rows, {billed} billed, {totals.unanswered} reported, most in a second {worst} of {PER_SECOND}")
    return [fault for fault, is_so in checks.items() if is_so]


def _throttled(simulator: Simulator) -> int:
    return sum(entry.status == 429 for entry in simulator.ledger.entries)


def main() -> int:
    """The script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--kill", nargs="*", default=list(EVERYTHING), choices=EVERYTHING)
    parser.add_argument("--drive", nargs=3, metavar=("FOLDER", "URL", "ADDRESS"))
    given = parser.parse_args()
    if given.drive:
        drive(Path(given.drive[0]), *given.drive[1:])
    with tempfile.TemporaryDirectory() as folder:
        faults = faults_of(Path(folder), given.rows, given.kill)
    print("\n".join(f"FAULT: {fault}" for fault in faults) or "held")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
