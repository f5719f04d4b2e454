"""More than one core: two processes with half of the items each, against one process with all of them.

Each of the two gets half of the calls in flight; otherwise twice as many calls would be in flight, and any client would
be faster. Nothing is coordinated here, so this is an upper bound on the gain of splitting a run. The endpoint runs in
its own process and competes for the two cores. The raw protocol shows what the cheapest possible client could gain, and
the engine alone, without an endpoint, what the cores could give. On a busy machine, two processes get a larger share of
it than one, which favors them.
"""

from typing import Any

from benchmarks.harness import Arm, Plan, compare, endpoint
from benchmarks.tables import Target, ratio, report

# Label, arm, latency in seconds (None: no endpoint), calls at once, items.
CASES: tuple[tuple[str, str, float | None, int, int], ...] = (
    ("engine, 10 ms, 50", "ours:batch", 0.01, 50, 6_000),
    ("engine, 20 ms, 1,000", "ours:batch", 0.02, 1_000, 6_000),
    ("bare, 10 ms, 50", "bare:batch", 0.01, 50, 6_000),
    ("raw, 10 ms, 50", "bare:raw", 0.01, 50, 8_000),
    ("engine alone", "ours:model", None, 50, 50_000),
)
ROUNDS = 3


def run(plan: Plan) -> list[Target]:
    """Run each case with one process and with two."""
    for label, where, latency_s, at_once, items in CASES:
        given = {"items": plan.items(items), "at_once": at_once}
        if latency_s is None:
            _one_case(label, where, given, plan)
            continue
        with endpoint(latency_s=latency_s) as url:
            _one_case(label, where, {**given, "url": url}, plan)
    return []


def _one_case(label: str, where: str, given: dict[str, Any], plan: Plan) -> None:
    one, two = "one process", "two processes"
    half = {**given, "at_once": given["at_once"] // 2}
    arms = [Arm(one, where, given), Arm(two, where, half, processes=2)]
    samples = compare(arms, rounds=plan.at_most(ROUNDS))
    name = f"cores-{label.replace(', ', '-').replace(' ', '-').replace(',', '')}"
    report(name, samples, base=one, title=f"Two processes: {label}", gain=ratio(samples, two, one))
