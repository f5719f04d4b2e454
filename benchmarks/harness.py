"""Shared by all benchmarks: arms in separate processes, samples in turns, an endpoint in another process.

An arm is a function `(items, **parameters) -> items done`, async or not, in a module of this package. It runs in a
fresh process for each sample, so that memory and CPU are its own; the samples of all arms alternate, so that a noisy
moment affects all of them. Each sample begins with a small batch, so that imports and first-use setup do not count.
"""

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from inspect import iscoroutine
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parent.parent
WARM_UP = 50
_PREFIX, _READY = "benchmarks: ", "ready"
OUR_OWN = ("benchmarks", "kaizen_batch")


@dataclass(frozen=True, slots=True)
class Arm:
    """One contestant. `where` is "module:function" in `benchmarks`; `processes` is how many share its items, `root`
    the checkout whose benchmarks and package they run."""

    label: str
    where: str
    parameters: dict[str, Any]
    processes: int = 1
    root: Path = ROOT


@dataclass(frozen=True, slots=True)
class Run:
    """The figures of one process: CPU in seconds, peak memory in MB."""

    items: int
    elapsed_s: float
    cpu_s: float
    peak_mb: float


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of an arm; `cpu_s` is CPU seconds for 1,000 items, `peak_mb` the largest process's memory."""

    items_per_s: float
    cpu_s: float
    peak_mb: float

    @classmethod
    def of(cls, runs: Sequence[Run]) -> Self:
        """Combine processes that started together: the last one to end determines the time."""
        items = sum(run.items for run in runs)
        return cls(
            items_per_s=items / max(run.elapsed_s for run in runs),
            cpu_s=sum(run.cpu_s for run in runs) / items * 1000,
            peak_mb=max(run.peak_mb for run in runs),
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure; `quick` is one round with a fiftieth of the items."""

    rounds: int = 5
    quick: bool = False

    def items(self, wanted: int) -> int:
        """The number of items to process, out of `wanted`."""
        return max(WARM_UP, wanted // 50) if self.quick else wanted

    def at_most(self, rounds: int) -> int:
        """The rounds of a slow part."""
        return min(rounds, self.rounds)


def compare(arms: Sequence[Arm], *, rounds: int) -> dict[str, list[Sample]]:
    """Sample several arms in turns. Arms whose package is not installed get no samples."""
    samples: dict[str, list[Sample]] = {arm.label: [] for arm in arms}
    for _ in range(rounds):
        for arm in arms:
            taken = sample(arm)
            samples[arm.label] += [taken] if taken else []
    return samples


def sample(arm: Arm) -> Sample | None:
    """Run one arm once; None if a package that it needs is not installed. Raises: SystemExit if it fails."""
    share = {**arm.parameters, "items": max(1, arm.parameters["items"] // arm.processes)}
    with ExitStack() as stack:
        started = [stack.enter_context(_Process(arm.where, share, arm.root)) for _ in range(arm.processes)]
        if any(process.line() != _READY for process in started):
            return None
        for process in started:
            process.go()
        return Sample.of([Run(**json.loads(process.line())) for process in started])


class _Process:
    """The process of an arm.

    It reports that it is ready, or what is missing; waits for the signal; processes the items; reports its figures.
    """

    def __init__(self, where: str, parameters: dict[str, Any], root: Path) -> None:
        self._where = where
        self._stderr = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.harness", where, json.dumps(parameters)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            cwd=root,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._stderr.close()

    def go(self) -> None:
        """Send the start signal."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def line(self) -> str:
        """Its next line for us; other output of libraries is ignored."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(_PREFIX):
                return line.removeprefix(_PREFIX).strip()
        self._stderr.seek(0)
        raise SystemExit(f"{self._where} failed:\n{self._stderr.read()[-3000:]}")


@contextmanager
def endpoint(module: str = "benchmarks.endpoint", **options: float | str | Sequence[float]) -> Iterator[str]:
    """Run an endpoint in a separate process and return its base URL."""
    flags = [text for name, value in options.items() for text in _flag(name, value)]
    command = [sys.executable, "-m", module, *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip().partition("=")[2]
    finally:
        process.terminate()
        process.communicate()


def simulator(**options: float | str | Sequence[float]) -> Any:
    """Run the package's simulator as the endpoint; it supports saturation, brownouts and limits."""
    return endpoint("kaizen_batch.simulator", **options)


def _flag(name: str, value: float | str | Sequence[float]) -> list[str]:
    values = [value] if isinstance(value, int | float | str) else value
    return [f"--{name.replace('_', '-')}", *map(str, values)]


def peak_mb() -> float:
    """The peak resident memory of this process, in MB."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not ru_maxrss: after fork and exec, it still includes the size of the parent process.
        return next(int(line.split()[1]) / 1024 for line in status.read_text().splitlines() if "VmHWM" in line)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def measure(function: Callable[..., Any], parameters: dict[str, Any], wait: Callable[[], object]) -> Run:
    """Call an arm for its first batch, `wait`, then call it for all items; on the same loop if it is async."""
    with asyncio.Runner() as runner:

        def call(items: int) -> int:
            made: int | Coroutine[Any, Any, int] = function(**{**parameters, "items": items})
            return runner.run(made) if iscoroutine(made) else made  # type: ignore[return-value]

        call(min(WARM_UP, parameters["items"]))
        wait()
        started, cpu = time.perf_counter(), time.process_time()
        items = call(parameters["items"])
        return Run(items, time.perf_counter() - started, time.process_time() - cpu, peak_mb())


def _say(text: str) -> None:
    print(f"\n{_PREFIX}{text}", flush=True)


def _wait_for_the_others() -> None:
    _say(_READY)
    sys.stdin.readline()


def main(where: str, parameters: str) -> None:
    """The entry point of an arm's process."""
    module, _, name = where.partition(":")
    try:
        function = getattr(import_module(f"benchmarks.{module}"), name)
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] in OUR_OWN:
            raise
        _say(f"{error.name} is not installed")
        return
    _say(json.dumps(asdict(measure(function, json.loads(parameters), _wait_for_the_others))))


if __name__ == "__main__":
    main(*sys.argv[1:])
