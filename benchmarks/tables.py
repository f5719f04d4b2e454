"""Evaluate samples: medians, ratios and targets, as a table and as JSON."""

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
    "async-batch-llm",
    "kailash",
    "langchain-core",
    "langchain-openai",
    "litellm",
    "openai",
    "ray",
)

Samples = Mapping[str, Sequence[Sample]]


@dataclass(frozen=True, slots=True)
class Target:
    """A figure and its target: at least `wanted`, or at most. A `value` of None was not measured.

    `form` is the format of both, as for `format`.
    """

    what: str
    value: float | None
    wanted: float
    at_most: bool = False
    form: str = ",.0f"

    @property
    def reached(self) -> bool | None:
        """Whether the target is met; None if it was not measured."""
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
    """The items/s of the arm `label` as a multiple of `base`; None if either was not measured.

    It is the median of the ratios within each round, because anything that slows down a round affects both.
    """
    rounds = [
        ours.items_per_s / theirs.items_per_s for ours, theirs in zip(samples[label], samples[base], strict=False)
    ]
    return statistics.median(rounds) if rounds else None


def table(samples: Samples, *, base: str | Mapping[str, str]) -> list[str]:
    """The lines of a table of medians. Ratios are to the arm `base`, or to the arm that it names for each."""
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
    """Print the table and the targets, write everything to `results/<name>.json`, and return the targets."""
    targets = list(targets)
    print("", title, *table(samples, base=base), *map(str, targets), sep="\n", flush=True)
    write(
        name,
        {"samples": {label: [asdict(each) for each in taken] for label, taken in samples.items()}, **more},
        targets,
    )
    return targets


def write(name: str, figures: dict[str, Any], targets: Iterable[Target]) -> None:
    """Write the figures, the machine and the versions as JSON."""
    RESULTS.mkdir(exist_ok=True)
    record = [{**asdict(target), "reached": target.reached} for target in targets]
    text = json.dumps({"machine": machine(), **figures, "targets": record}, indent=1)
    (RESULTS / f"{name}.json").write_text(text + "\n")


def machine() -> dict[str, Any]:
    """The machine and the versions of the libraries."""
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
