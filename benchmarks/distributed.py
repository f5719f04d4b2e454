"""Many processes: one process, our two workers on Ray, and Ray Data's HTTP processor, on the same rows.

    python -m benchmarks --only distributed             # about six minutes a round
    python -m benchmarks --only distributed --quick     # a tenth of the rows, one round

Each contestant is a command, from a file of JSON Lines to another, in a process of its own. It is run to its end; then
again, and a worker is killed with -9 when 60% of the calls are made; then again, and all of its processes are killed,
and the command is given once more. What was paid is read from the endpoint's ledger. Start-up is the time to the first
call, and items per second are those from the first call to the end of the command, a restart included. Memory is the
sum over all processes of the command, in which shared pages count once.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from benchmarks.harness import ROOT, Plan
from benchmarks.tables import Target, write
from kaizen_batch.simulator import Simulator

MEASURED = Path(__file__).parent / "measured" / "distributed.json"
ROWS, QUICK_ROWS = 2_000, 200
KILLED_AT = 0.6  # of the calls: in the middle of a shard
AT_ONCE, WORKERS, LATENCY_S = 32, 2, 0.05
ONE, OURS_ON_RAY, RAY_DATA, RAY_DATA_TUNED = "one process", "2 workers on Ray", "Ray Data", "Ray Data, 8 actors"
_LOOK_S = 0.1
_TIMEOUT_S = 300.0
_MARK = "MARK_OF_THE_BENCHMARK"


class Contestant(NamedTuple):
    """Its words after `python -m`, what it needs, and a part of the title of a worker's process."""

    words: tuple[str, ...]
    needs: tuple[str, ...]
    worker: str


_RUN = ("kaizen_batch", "run", "{source}", "--prompt", "Label {{text}}", "--output", "{target}", "--base-url", "{url}",
        "--max-concurrent", str(AT_ONCE), "--progress", "none")  # fmt: skip
_RAY_DATA = ("benchmarks.peers.ray_data", "{url}", "{source}", "{target}")
CONTESTANTS = {
    ONE: Contestant(_RUN, (), "kaizen_batch"),
    OURS_ON_RAY: Contestant((*_RUN, "--executor", "ray", "--workers", str(WORKERS)), ("ray",), "ray::run_task"),
    RAY_DATA: Contestant((*_RAY_DATA, "1"), ("ray", "aiohttp", "pandas"), "HttpRequestUDF"),
    RAY_DATA_TUNED: Contestant((*_RAY_DATA, "8"), ("ray", "aiohttp", "pandas"), "HttpRequestUDF"),
}


@dataclass(frozen=True, slots=True)
class Found:
    """Seconds to the first call, megabytes, items per second; calls paid again after each kind of kill."""

    start_s: float
    peak_mb: float
    items_per_s: float
    again_worker: int
    again_all: int


def run(plan: Plan) -> list[Target]:
    """Measure all contestants in turns; print the table."""
    rows = QUICK_ROWS if plan.quick else ROWS
    found: dict[str, list[Found]] = {}
    for _ in range(plan.at_most(3)):
        for label, contestant in CONTESTANTS.items():
            if is_installed(contestant):
                found.setdefault(label, []).append(measure(contestant, rows))
    figures = {label: middle(each) for label, each in found.items()}
    targets = targets_of(figures)
    print("", *table(figures), "", *map(str, targets), sep="\n", flush=True)
    write(
        "distributed-quick" if plan.quick else "distributed",
        {"rows": rows, "found": {label: asdict(each) for label, each in figures.items()}},
        targets,
    )
    return targets


def is_installed(contestant: Contestant) -> bool:
    """Whether the libraries that it needs can be imported."""
    return all(find_spec(library) is not None for library in contestant.needs)


def targets_of(figures: dict[str, Found]) -> list[Target]:
    """A kill costs at most what was in flight, whatever was killed."""
    return [
        Target(f"{label}: paid again, {what}", paid, AT_ONCE, at_most=True)
        for label in (ONE, OURS_ON_RAY)
        for what, paid in _paid(figures.get(label))
    ]


def _paid(found: Found | None) -> list[tuple[str, int | None]]:
    worker, everything = (None, None) if found is None else (found.again_worker, found.again_all)
    return [("a worker killed", worker), ("all killed", everything)]


def middle(found: Sequence[Found]) -> Found:
    """The medians, and the most that was paid again."""
    median = [
        statistics.median(getattr(each, name) for each in found) for name in ("start_s", "peak_mb", "items_per_s")
    ]
    return Found(*median, max(each.again_worker for each in found), max(each.again_all for each in found))


def measure(contestant: Contestant, rows: int) -> Found:
    """Run one contestant three times: to its end, with a worker killed, with everything killed."""
    start_s, peak_mb, items_per_s = _run(contestant, rows, "")[0]
    paid = [_run(contestant, rows, killed)[1] - rows for killed in ("worker", "everything")]
    return Found(start_s, peak_mb, items_per_s, *paid)


def _run(contestant: Contestant, rows: int, killed: str) -> tuple[tuple[float, float, float], int]:
    """The figures of one run, and how many calls were paid. Raises: SystemExit if rows are missing."""
    with tempfile.TemporaryDirectory() as folder, Simulator(latency_s=LATENCY_S) as simulator:
        source, target = Path(folder, "in.jsonl"), Path(folder, "out.jsonl")
        source.write_text("".join(f'{{"id": {row}, "text": "ticket {row}"}}\n' for row in range(rows)))
        places = {"source": str(source), "target": str(target), "url": simulator.base_url}
        command = _Command([word.format(**places) for word in contestant.words], Path(folder))
        began = time.monotonic()
        try:
            command.start()
            while command.goes_on(began):
                if killed and simulator.ledger.calls >= rows * KILLED_AT and _kill(command, contestant, killed):
                    killed = ""
            ended = time.monotonic()
        finally:
            command.close()
        if (written := _lines(target)) != rows:
            raise SystemExit(f"{contestant.words[0]}: {written} of {rows} rows are in the output\n{command.errors()}")
        first = min(entry.at for entry in simulator.ledger.entries)
        return (first - began, command.peak_mb, rows / (ended - first)), simulator.ledger.billed


def _kill(command: "_Command", contestant: Contestant, killed: str) -> bool:
    """Kill a worker, or all processes; False if there is no worker now."""
    workers = [process for process, title in command.processes() if contestant.worker in title]
    if killed == "worker" and workers and command.pid not in workers:
        _end(workers[0])
    elif workers:
        command.close()
        command.start()
    return bool(workers)


def _lines(target: Path) -> int:
    files = target.glob("*.json") if target.is_dir() else [target] if target.exists() else []
    return sum(len(file.read_bytes().splitlines()) for file in files)


class _Command:
    """A command, and all processes that it has started: those whose environment has its mark."""

    def __init__(self, words: list[str], folder: Path) -> None:
        self.peak_mb: float = 0.0
        self._mark = f"{_MARK}={uuid.uuid4().hex}"
        self._words = [sys.executable, "-m", *words]
        self._errors = folder / "errors"

    @property
    def pid(self) -> int:
        """The id of its first process."""
        return self._process.pid

    def start(self) -> None:
        """Start it, perhaps again."""
        name, _, value = self._mark.partition("=")
        added = {name: value, "OPENAI_API_KEY": "none", "RAY_USAGE_STATS_ENABLED": "0"}
        with self._errors.open("ab") as errors:
            self._process = subprocess.Popen(
                self._words, cwd=ROOT, env={**os.environ, **added}, stdout=errors, stderr=errors
            )

    def goes_on(self, began: float) -> bool:
        """Whether it runs, after a short while. Raises: SystemExit if it runs for too long."""
        self.peak_mb = max(self.peak_mb, sum(_mb(process) for process, _ in self.processes()))
        if time.monotonic() > began + _TIMEOUT_S:
            raise SystemExit(f"{self._words[2]} is not over after {_TIMEOUT_S:g} s\n{self.errors()}")
        try:
            self._process.wait(_LOOK_S)
        except subprocess.TimeoutExpired:
            return True
        return False

    def processes(self) -> Iterator[tuple[int, str]]:
        """Its processes, each with its title."""
        for path in Path("/proc").iterdir():
            try:
                if path.name.isdigit() and self._mark.encode() in (path / "environ").read_bytes():
                    yield int(path.name), (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue  # it has ended

    def close(self) -> None:
        """Kill all of them."""
        while alive := [process for process, title in self.processes() if title]:
            for process in alive:
                _end(process)
            self._process.wait()

    def errors(self) -> str:
        """The last that it has said."""
        return self._errors.read_text()[-3000:]


def _end(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return


def _mb(process: int) -> float:
    """The memory of a process in MB, with its share of shared pages."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


def table(found: dict[str, Found]) -> list[str]:
    """A Markdown table with a line for each contestant."""
    head = ["", "start-up", "memory", "items/s", "paid again: a worker killed", "all killed, run again"]
    lines = [f"| {' | '.join(head)} |", f"|---{'|---:' * (len(head) - 1)}|"]
    for label, each in found.items():
        shown = (f"{each.start_s:.1f} s", f"{each.peak_mb:,.0f} MB", f"{each.items_per_s:,.0f}")
        lines.append(f"| {' | '.join([label, *shown, f'{each.again_worker:,}', f'{each.again_all:,}'])} |")
    return lines


def measured_table() -> list[str]:
    """The table of `docs/scaling.md`, from a copy of `results/distributed.json`."""
    figures = json.loads(MEASURED.read_text())["found"]
    return table({label: Found(**each) for label, each in figures.items()})
