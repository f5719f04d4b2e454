"""What every benchmark needs: an endpoint in a process of its own, arms in processes of their own, medians, a table.

An arm is an async function `(endpoint, **parameters) -> items done`. It runs in a fresh process for each sample, so
that memory and CPU are its own; the samples of all arms alternate, so that a noisy moment hits them alike.
"""

import asyncio
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
ROOT = Path(__file__).parent.parent

ARMS: dict[str, Callable[..., Awaitable[int]]] = {}


def arm(function: Callable[..., Awaitable[int]]) -> Callable[..., Awaitable[int]]:
    """Register an async function under its name."""
    ARMS[function.__name__] = function
    return function


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of an arm. `peak_mb` is the process's most resident memory, `cpu_ms` CPU milliseconds for each item."""

    items_per_s: float
    cpu_ms: float
    peak_mb: float


@contextmanager
def endpoint(**options: float | str) -> Iterator[str]:
    """The simulator in a process of its own; gives its base URL."""
    flags = [text for name, value in options.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    command = [sys.executable, "-m", "kaizen_batch.simulator", "--port", "0", *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip().partition("=")[2]
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def sample(module: str, name: str, **parameters: Any) -> Sample:
    """Run one arm of a benchmark's module once, in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.harness", module, name, json.dumps(parameters)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    return Sample(**json.loads(done.stdout.splitlines()[-1]))


def compare(module: str, arms: Sequence[tuple[str, str, dict[str, Any]]], *, rounds: int) -> dict[str, list[Sample]]:
    """Samples of several arms, `(label, arm, parameters)`, taken in turns."""
    samples: dict[str, list[Sample]] = {label: [] for label, _, _ in arms}
    for _ in range(rounds):
        for label, name, parameters in arms:
            samples[label].append(sample(module, name, **parameters))
    return samples


def median(samples: Sequence[Sample], field: str = "items_per_s") -> float:
    """The median of one figure."""
    return statistics.median(getattr(each, field) for each in samples)


def report(name: str, samples: dict[str, list[Sample]], *, base: str, **more: Any) -> None:
    """Print the table of medians, with ratios to the arm `base`, and write everything as JSON."""
    print(f"{'':34}{'items/s':>10}{'(min..max)':>18}{'ratio':>8}{'CPU s/1,000':>13}{'peak MB':>9}")
    for label, taken in samples.items():
        rates = [each.items_per_s for each in taken]
        spread = f"({min(rates):,.0f}..{max(rates):,.0f})"
        ratio = median(taken) / median(samples[base])
        figures = f"{ratio:>8.2f}{median(taken, 'cpu_ms'):>13.2f}{median(taken, 'peak_mb'):>9.0f}"
        print(f"{label:34}{median(taken):>10,.0f}{spread:>18}{figures}")
    RESULTS.mkdir(exist_ok=True)
    written = {label: [asdict(each) for each in taken] for label, taken in samples.items()}
    (RESULTS / f"{name}.json").write_text(json.dumps({"samples": written, **more}, indent=1) + "\n")


def _run_arm(module: str, name: str, parameters: str) -> None:
    __import__(f"benchmarks.{module}")
    started, cpu = time.perf_counter(), time.process_time()
    items = asyncio.run(ARMS[name](**json.loads(parameters)))  # type: ignore[arg-type]
    elapsed, cpu = time.perf_counter() - started, time.process_time() - cpu
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(asdict(Sample(items / elapsed, cpu / items * 1000, peak_mb))))


if __name__ == "__main__":
    from benchmarks import harness  # the module that the arms register with, not this `__main__`

    harness._run_arm(*sys.argv[1:])
