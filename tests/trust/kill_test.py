"""The kill test: a run with a journal is killed with SIGKILL again and again, and started again each time.

    python tests/trust/kill_test.py --kills 20 --items 2000 [--seed 1]

At the end every item must have its right result, and the ledger of the endpoint must show that no item was billed
more often than 1 + the times it was in flight at a kill. Exit code 1 if not.
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
# A kill that is due before the run has asked anything comes within so many seconds, and so many items.
STARTUP_S, STARTUP_ITEMS = 0.6, 15
PATIENCE_S = 120.0
HTTP = build_opener(ProxyHandler({}))


@dataclass
class Kill:
    """What was found after one kill; prompts by their SHA-256."""

    progress: int
    done: set[str]
    in_flight: set[str]
    unaccounted: int
    billed: Counter[str]
    since_start_s: float


@dataclass
class RunMetrics:
    """All kills, and what the last run left."""

    kills: list[Kill] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    billed: Counter[str] = field(default_factory=Counter)
    extra_usd: float = 0.0


class Endpoint:
    """The simulator in a process of its own, and its ledger over HTTP."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._root = url.removesuffix("/v1")

    def totals(self) -> dict[str, Any]:
        """The sums of the ledger."""
        return self._get("/ledger?entries=0")

    def entries(self) -> list[dict[str, Any]]:
        """The ledger once nothing is in flight; calls of a killed client are worked off and billed."""
        until(lambda: self.totals()["in_flight"] == 0)
        return list(self._get("/ledger")["entries"])

    def billed(self) -> Counter[str]:
        """How often each prompt was billed."""
        return Counter(entry["prompt_sha256"] for entry in self.entries() if entry["billed"])

    def _get(self, path: str) -> dict[str, Any]:
        with HTTP.open(self._root + path, timeout=30) as response:
            return dict(json.load(response))


def until(condition: Any) -> None:
    """Wait for something that other processes do."""
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > give_up:
            raise SystemExit("it never came")
        time.sleep(0.001)


@contextmanager
def process(*command: str, **options: Any) -> Iterator["subprocess.Popen[str]"]:
    """A Python process that does not outlive the block."""
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1])}
    with subprocess.Popen([sys.executable, *command], text=True, env=environment, **options) as running:
        try:
            yield running
        finally:
            running.kill()


def kill_once(worker: list[str], endpoint: Endpoint, journal: Path, at: int, dice: random.Random) -> Kill | None:
    """Start the run, kill it once so many items are done, and look around; None if it ended before."""
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
    """The prompts that the journal has in this state."""
    if not journal.exists() or not journal.stat().st_size:
        return set()
    with Journal(journal) as reader:
        requests = [json.loads(entry.request) for entry in reader.entries((state,))]
    return {sha256(request["messages"][-1]["content"].encode()).hexdigest() for request in requests}


def play(kills: int, items: int, seed: int, folder: Path) -> RunMetrics:
    """Run, kill, run again, ..., and let the last run come to its end."""
    dice, metrics = random.Random(seed), RunMetrics()
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
            metrics.kills.append(kill)
            show(kill, len(metrics.kills))
        with process(*worker) as run:
            if run.wait(PATIENCE_S) != 0:
                raise SystemExit("the last run failed")
        entries = endpoint.entries()
    metrics.billed = Counter(entry["prompt_sha256"] for entry in entries if entry["billed"])
    costs = {entry["prompt_sha256"]: entry["usd"] for entry in entries if entry["billed"]}
    metrics.extra_usd = sum((times - 1) * costs[prompt] for prompt, times in metrics.billed.items())
    metrics.results, metrics.summary = (json.loads(results.read_text())[name] for name in ("results", "summary"))
    return metrics


def show(kill: Kill, number: int) -> None:
    """One line of the table."""
    doubt = sum(prompt in kill.billed for prompt in kill.in_flight)
    row = (number, f"{kill.since_start_s:.2f}", kill.progress, len(kill.in_flight), doubt)
    print("".join(f"{cell:>12}" for cell in row), flush=True)


def checks(metrics: RunMetrics, items: int) -> list[tuple[str, int, int]]:
    """What must hold: a sentence, what was counted, and what is allowed at most."""
    texts = prompts(items)
    hashes = [sha256(text.encode()).hexdigest() for text in texts]
    right = sum(
        result["status"] == "ok" and result["index"] == index and result["result"] == f"mock answer to: {text}"
        for index, (text, result) in enumerate(zip(texts, metrics.results, strict=True))
    )
    in_flight = Counter(prompt for kill in metrics.kills for prompt in kill.in_flight)
    extra = sum(times - 1 for times in metrics.billed.values())
    over = [prompt for prompt, times in metrics.billed.items() if times > 1 + in_flight[prompt]]
    again = {p for kill in metrics.kills for p in kill.done if metrics.billed[p] > kill.billed[p]}
    summary = metrics.summary
    micro_usd = round(metrics.extra_usd * 1e6), round((summary["maybe_paid_twice_usd"] or 0.0) * 1e6)
    return [
        ("items without their right result", items - right, 0),
        ("items that were never billed", len(set(hashes) - metrics.billed.keys()), 0),
        ("prompts that nobody asked for", len(metrics.billed.keys() - set(hashes)), 0),
        ("billed at a kill, and not in the journal", sum(kill.unaccounted for kill in metrics.kills), 0),
        ("done before a kill, and billed again", len(again), 0),
        ("billed more often than 1 + in flight at a kill", len(over), 0),
        ("extra bills, summary.maybe_paid_twice", extra, summary["maybe_paid_twice"]),
        ("extra micro-USD, maybe_paid_twice_usd", *micro_usd),
        ("maybe_paid_twice, in flight at all kills", summary["maybe_paid_twice"], in_flight.total()),
        ("calls of the last run, items not done then", summary["calls"], items - len(metrics.kills[-1].done)),
    ]


def main() -> None:
    """Play, and judge."""
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
        metrics = play(options.kills, options.items, options.seed, Path(folder))
    print(f"\n{'counted':>8} {'allowed':>8}")
    failed = False
    for sentence, counted, allowed in checks(metrics, options.items):
        failed |= counted > allowed
        print(f"{counted:>8} {allowed:>8}  {sentence}{'  FAILED' if counted > allowed else ''}")
    print(f"\n{'FAILED' if failed else 'held'}: {metrics.billed.total()} bills for {options.items} items", end="")
    print(f" in {time.monotonic() - started:.1f} s")
    sys.exit(failed)


if __name__ == "__main__":
    main()
