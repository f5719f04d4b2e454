"""Several endpoints: what the choice among them costs, in CPU time of an item, against one that is named alone.

    python -m benchmarks --only endpoints

The arms run in turns, each in a fresh process. The ratio is the median over the rounds, with the interval that holds
95% of the medians of resampled rounds.
"""

from collections.abc import Sequence
from statistics import median
from typing import Any

from benchmarks.harness import Arm, Plan, Sample, compare, endpoint
from benchmarks.pairs import interval
from benchmarks.tables import Target, write

ITEMS, AT_ONCE, LATENCY_S = 4_000, 50, 0.01
ALONE, LIST_OF_ONE, LIST_OF_TWO = "one endpoint", "a list of one", "a list of two"
AT_MOST = 1.05


def run(plan: Plan) -> list[Target]:
    """Measure all three in turns; print the table."""
    with endpoint(latency_s=LATENCY_S) as url, endpoint(latency_s=LATENCY_S) as other:
        given: dict[str, Any] = {"items": plan.items(ITEMS), "at_once": AT_ONCE}
        arms = [
            Arm(ALONE, "ours:batch", {**given, "url": url}),
            Arm(LIST_OF_ONE, "ours:batch", {**given, "url": [url], "endpoint_name": url}),
            Arm(LIST_OF_TWO, "ours:batch", {**given, "url": [url, other], "endpoint_name": url}),
        ]
        samples = compare(arms, rounds=plan.rounds)
    ratios = {label: ratio_of(taken, samples[ALONE]) for label, taken in samples.items()}
    targets = [
        Target("a list of one, CPU against one alone", ratios[LIST_OF_ONE][0], AT_MOST, at_most=True, form=".2f")
    ]
    print("", *lines_of(samples, ratios), *map(str, targets), sep="\n", flush=True)
    write("endpoints", {"ratios": ratios}, targets)
    return targets


def ratio_of(taken: Sequence[Sample], base: Sequence[Sample]) -> tuple[float, float, float]:
    """CPU time of an item as a multiple of that of `base`, round by round, and the bounds of its interval."""
    return interval([ours.cpu_s / theirs.cpu_s for ours, theirs in zip(taken, base, strict=True)])


def lines_of(samples: dict[str, list[Sample]], ratios: dict[str, tuple[float, float, float]]) -> list[str]:
    """A line for each arm: microseconds of CPU for an item, and the ratio."""
    return [
        "{:16}{:6.1f} µs of CPU, {:.2f} ({:.2f} to {:.2f})".format(
            label, median(each.cpu_s for each in taken) * 1000, *ratios[label]
        )
        for label, taken in samples.items()
    ]
