"""What the samples say: medians, ratios, whether a target was reached; as a table and as JSON."""

import json
import os
import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.harness import Sample

RESULTS = Path(__file__).parent / "results"
_PACKAGES = (
    "kaizen-batch",
    "aiohttp",
    "aiometer",
    "kailash",
    "langchain-core",
    "langchain-openai",
    "litellm",
    "openai",
)

Samples = Mapping[str, Sequence[Sample]]


@dataclass(frozen=True, slots=True)
class Target:
    """A figure and what it should be: at least `wanted`, or at most; `value` None was not measured.

    `form` is how both are written, as in `format`.
    """

    what: str
    value: float | None
    wanted: float
    at_most: bool = False
    form: str = ",.0f"

    @property
    def reached(self) -> bool | None:
        """Whether it is met; None if it was not measured."""
        if self.value is None:
            return None
        return self.value <= self.wanted if self.at_most else self.value >= self.wanted

    def __str__(self) -> str:
        word = {True: "reached", False: "missed", None: "not measured"}[self.reached]
        shown = "-" if self.value is None else format(self.value, self.form)
        return f"{word:13}{self.what}: {shown} (wanted: {'<=' if self.at_most else '>='} {self.wanted:{self.form}})"


def median(samples: Sequence[Sample], figure: str = "items_per_s") -> float | None:
    """The median of one figure; None without samples."""
    return statistics.median(getattr(each, figure) for each in samples) if samples else None


def ratio(samples: Samples, label: str, base: str) -> float | None:
    """How many times the items/s of `base` the arm `label` does; None if either was not measured.

    The median of the ratios within each round: what slows a whole round down, slows both.
    """
    rounds = [
        ours.items_per_s / theirs.items_per_s for ours, theirs in zip(samples[label], samples[base], strict=False)
    ]
    return statistics.median(rounds) if rounds else None


def table(samples: Samples, *, base: str | Mapping[str, str]) -> list[str]:
    """The lines of a table of medians; the ratio is to the arm `base`, or to the one that it names for each."""
    bases = dict.fromkeys(samples, base) if isinstance(base, str) else base
    width = max(map(len, samples)) + 2
    head = f"{'':{width}}{'items/s':>10}{'(min..max)':>20}{'ratio':>8}{'CPU s/1,000':>13}{'peak MB':>9}"
    return [
        head,
        *(f"{label:{width}}{_row(taken, ratio(samples, label, bases[label]))}" for label, taken in samples.items()),
    ]


def _row(taken: Sequence[Sample], to_base: float | None) -> str:
    rate, cpu_s, peak_mb = (median(taken, figure) for figure in ("items_per_s", "cpu_s", "peak_mb"))
    if rate is None:
        return f"{'not installed':>30}"
    rates = [each.items_per_s for each in taken]
    spread = f"({min(rates):,.0f}..{max(rates):,.0f})"
    shown = f"{to_base:.2f}" if to_base is not None else "-"
    return f"{rate:>10,.0f}{spread:>20}{shown:>8}{cpu_s:>13.3f}{peak_mb:>9.0f}"


def report(
    name: str,
    samples: Samples,
    *,
    base: str | Mapping[str, str],
    targets: Iterable[Target] = (),
    title: str = "",
    **more: Any,
) -> list[Target]:
    """Print the table and what became of the targets, write everything to `results/<name>.json`; gives the targets."""
    targets = list(targets)
    print("", title, *table(samples, base=base), *map(str, targets), sep="\n", flush=True)
    write(
        name,
        {"samples": {label: [asdict(each) for each in taken] for label, taken in samples.items()}, **more},
        targets,
    )
    return targets


def write(name: str, figures: dict[str, Any], targets: Iterable[Target]) -> None:
    """Write what was measured, where and against what, as JSON."""
    RESULTS.mkdir(exist_ok=True)
    told = [{**asdict(target), "reached": target.reached} for target in targets]
    text = json.dumps({"machine": machine(), **figures, "targets": told}, indent=1)
    (RESULTS / f"{name}.json").write_text(text + "\n")


def machine() -> dict[str, Any]:
    """Where this was measured, and against which versions."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "versions": {package: _version(package) for package in _PACKAGES},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
