"""The kill test: a run with a journal is killed with SIGKILL repeatedly, and restarted each time.

    python tests/trust/kill_test.py --kills 20 --items 2000 [--seed 1]

At the end, every item must have the correct result, and the ledger of the endpoint must show that no item was billed
more often than 1 + the number of kills at which it was in flight. Otherwise the exit code is 1.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE)]

from kill_worker import PRICE, prompts  # noqa: E402 - found only now

from kaizen_batch.journal import Journal  # noqa: E402

LATENCY_S = 0.02
# A kill before the run has sent anything happens within this many seconds and items.
STARTUP_S, STARTUP_ITEMS = 0.6, 15
PATIENCE_S = 120.0
HTTP = build_opener(ProxyHandler({}))


@dataclass
class Kill:
    """The state after one kill; prompts are identified by their SHA-256."""

    progress: int
    done: set[str]
    in_flight: set[str]
    unaccounted: int
    billed: Counter[str]
    since_start_s: float


@dataclass
class KillTest:
    """All kills, and the state after the last run."""

    kills: list[Kill] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    billed: Counter[str] = field(default_factory=Counter)
    extra_usd: float = 0.0


class Endpoint:
    """The simulator in a separate process, with its ledger over HTTP."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._root = url.removesuffix("/v1")

    def totals(self) -> dict[str, Any]:
        """The totals of the ledger."""
        return self._get("/ledger?entries=0")

    def entries(self) -> list[dict[str, Any]]:
        """The ledger when nothing is in flight any more; calls of a killed client are still billed."""
        until(lambda: self.totals()["in_flight"] == 0)
        return list(self._get("/ledger")["entries"])

    def billed(self) -> Counter[str]:
        """How often each prompt was billed."""
        return Counter(entry["prompt_sha256"] for entry in self.entries() if entry["billed"])

    def _get(self, path: str) -> dict[str, Any]:
        with HTTP.open(self._root + path, timeout=30) as response:
            return dict(json.load(response))


def until(condition: Any) -> None:
    """Wait until another process has done something."""
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > give_up:
            raise SystemExit("it never came")
        time.sleep(0.001)


@contextmanager
def process(*command: str, **options: Any) -> Iterator["subprocess.Popen[str]"]:
    """A Python process that never outlives the block."""
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1])}
    with subprocess.Popen([sys.executable, *command], text=True, env=environment, **options) as running:
        try:
            yield running
        finally:
            running.kill()


def kill_once(worker: list[str], endpoint: Endpoint, journal: Path, at: int, dice: random.Random) -> Kill | None:
    """Start the run, kill it when this many items are done, and inspect the state; None if it ended before."""
    done_before = len(prompts_in(journal, "done"))
    billed_before = endpoint.totals()["billed"]
    started = time.monotonic()

    def progress() -> int:
        return int(done_before + endpoint.totals()["billed"] - billed_before)

    with process(*worker) as run:
        if done_before < at:
            until(lambda: run.poll() is not None or progress() >= at)
            time.sleep(dice.uniform(0, LATENCY_S))
        else:
            due = started + dice.uniform(0, STARTUP_S)
            soon = done_before + STARTUP_ITEMS
            until(lambda: run.poll() is not None or time.monotonic() >= due or progress() >= soon)
        run.send_signal(signal.SIGKILL)
        if run.wait() != -signal.SIGKILL:
            return None
    since_start_s = time.monotonic() - started
    billed = endpoint.billed()
    done, in_flight = prompts_in(journal, "done"), prompts_in(journal, "in_flight")
    known = done | in_flight | prompts_in(journal, "unknown")
    return Kill(len(done), done, in_flight, len(billed.keys() - known), billed, since_start_s)


def prompts_in(journal: Path, state: Any) -> set[str]:
    """The prompts in the journal with this state."""
    if not journal.exists() or not journal.stat().st_size:
        return set()
    with Journal(journal) as reader:
        requests = [json.loads(entry.request) for entry in reader.entries((state,))]
    return {sha256(request["messages"][-1]["content"].encode()).hexdigest() for request in requests}


def play(kills: int, items: int, seed: int, folder: Path) -> KillTest:
    """Run, kill, run again, and so on; then let the last run finish."""
    dice, record = random.Random(seed), KillTest()
    journal, results = folder / "run.db", folder / "results.json"
    simulator = ["-m", "kaizen_batch.simulator", "--latency-s", str(LATENCY_S)]
    simulator += ["--price-input", str(PRICE["input"]), "--price-output", str(PRICE["output"])]
    with process(*simulator, stdout=subprocess.PIPE) as serving:
        assert serving.stdout is not None
        endpoint = Endpoint(serving.stdout.readline().strip().removeprefix("OPENAI_BASE_URL="))
        worker = [str(HERE / "kill_worker.py"), endpoint.url, str(journal), str(results), str(items)]
        for at in sorted(dice.randrange(int(items * 0.8)) for _ in range(kills)):
            kill = kill_once(worker, endpoint, journal, at, dice)
            if kill is None:
                raise SystemExit("the run ended before its last kill: give it more items")
            record.kills.append(kill)
            show(kill, len(record.kills))
        with process(*worker) as run:
            if run.wait(PATIENCE_S) != 0:
                raise SystemExit("the last run failed")
        entries = endpoint.entries()
    record.billed = Counter(entry["prompt_sha256"] for entry in entries if entry["billed"])
    costs = {entry["prompt_sha256"]: entry["usd"] for entry in entries if entry["billed"]}
    record.extra_usd = sum((times - 1) * costs[prompt] for prompt, times in record.billed.items())
    record.results, record.summary = (json.loads(results.read_text())[name] for name in ("results", "summary"))
    return record


def show(kill: Kill, number: int) -> None:
    """Print one line of the table."""
    doubt = sum(prompt in kill.billed for prompt in kill.in_flight)
    row = (number, f"{kill.since_start_s:.2f}", kill.progress, len(kill.in_flight), doubt)
    print("".join(f"{cell:>12}" for cell in row), flush=True)


def checks(record: KillTest, items: int) -> list[tuple[str, int, int]]:
    """The checks: a description, the number counted, and the highest number allowed."""
    texts = prompts(items)
    hashes = [sha256(text.encode()).hexdigest() for text in texts]
    right = sum(
        result["status"] == "ok" and result["index"] == index and result["result"] == f"mock answer to: {text}"
        for index, (text, result) in enumerate(zip(texts, record.results, strict=True))
    )
    in_flight = Counter(prompt for kill in record.kills for prompt in kill.in_flight)
    extra = sum(times - 1 for times in record.billed.values())
    over = [prompt for prompt, times in record.billed.items() if times > 1 + in_flight[prompt]]
    again = {p for kill in record.kills for p in kill.done if record.billed[p] > kill.billed[p]}
    summary = record.summary
    micro_usd = round(record.extra_usd * 1e6), round((summary["maybe_paid_twice_usd"] or 0.0) * 1e6)
    return [
        ("items without the correct result", items - right, 0),
        ("items that were never billed", len(set(hashes) - record.billed.keys()), 0),
        ("prompts that are not in the batch", len(record.billed.keys() - set(hashes)), 0),
        ("billed at a kill, but not in the journal", sum(kill.unaccounted for kill in record.kills), 0),
        ("done before a kill, but billed again", len(again), 0),
        ("billed more often than 1 + in flight at a kill", len(over), 0),
        ("extra bills, summary.maybe_paid_twice", extra, summary["maybe_paid_twice"]),
        ("extra micro-USD, maybe_paid_twice_usd", *micro_usd),
        ("maybe_paid_twice, in flight at all kills", summary["maybe_paid_twice"], in_flight.total()),
        ("calls of the last run, items not done then", summary["calls"], items - len(record.kills[-1].done)),
    ]


def main() -> None:
    """Run the kill test and print the checks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--items", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    if options.kills < 1 or options.items < 2:
        parser.error("at least 1 kill and 2 items are needed")
    started = time.monotonic()
    print(f"{options.kills} kills, {options.items} items, seed {options.seed}\n")
    print("".join(f"{title:>12}" for title in ("kill", "after s", "done", "in flight", "billed")))
    with tempfile.TemporaryDirectory() as folder:
        record = play(options.kills, options.items, options.seed, Path(folder))
    print(f"\n{'counted':>8} {'allowed':>8}")
    failed = False
    for sentence, counted, allowed in checks(record, options.items):
        failed |= counted > allowed
        print(f"{counted:>8} {allowed:>8}  {sentence}{'  FAILED' if counted > allowed else ''}")
    print(f"\n{'FAILED' if failed else 'held'}: {record.billed.total()} bills for {options.items} items", end="")
    print(f" in {time.monotonic() - started:.1f} s")
    sys.exit(failed)


if __name__ == "__main__":
    main()
