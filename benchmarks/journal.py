"""What the journal costs: CPU for each item that is asked and kept, for each one that is replayed, and a job's rows.

The provider answers in this process, so that nothing else is measured. With 10 ms of latency the groups that are
written are small, as over HTTP; without any they are as large as they get.
"""

import asyncio
import tempfile
from pathlib import Path

from benchmarks import ours
from benchmarks.harness import Arm, Plan, Sample, compare
from benchmarks.tables import Target, median, report

ITEMS, AT_ONCE = 10_000, 50
CPU_MS, REPLAY_MS, ROWS_PER_S = 0.060, 0.035, 12_000
PLAIN, KEPT = "no journal", "with a journal"
REPLAYED, ROWS, KEPT_ROWS = "replayed", "a file job", "a file job with a journal"


def run(plan: Plan) -> list[Target]:
    """Measure all in turns."""
    items = plan.items(ITEMS)
    with tempfile.TemporaryDirectory() as folder:
        journal = str(Path(folder) / "run.db")
        asyncio.run(ours.kept(items, AT_ONCE, journal=journal))
        arms = [Arm(REPLAYED, "ours:kept", {"items": items, "at_once": AT_ONCE, "journal": journal})]
        for latency_s in (0.0, 0.01):
            given = {"items": items, "at_once": AT_ONCE, "latency_s": latency_s}
            arms.append(Arm(_named(PLAIN, latency_s), "ours:unkept", given))
            arms.append(Arm(_named(KEPT, latency_s), "ours:kept", given))
        arms.append(Arm(ROWS, "ours:job", {"items": items, "at_once": AT_ONCE}))
        arms.append(Arm(KEPT_ROWS, "ours:job", {"items": items, "at_once": AT_ONCE, "keep": True}))
        samples = compare(arms, rounds=plan.rounds)
    targets = [
        Target(_named("the journal, CPU ms an item", s), _cost(samples, s), CPU_MS, at_most=True, form=".3f")
        for s in (0.0, 0.01)
    ]
    targets.append(
        Target(f"{REPLAYED}, CPU ms an item", median(samples[REPLAYED], "cpu_s"), REPLAY_MS, at_most=True, form=".3f")
    )
    targets.append(Target(f"{KEPT_ROWS}, rows/s", median(samples[KEPT_ROWS]), ROWS_PER_S))
    return report("journal", samples, base=_named(PLAIN, 0.0), targets=targets, title="The cost of the journal")


def _named(label: str, latency_s: float) -> str:
    return f"{label}, {latency_s * 1000:.0f} ms"


def _cost(samples: dict[str, list[Sample]], latency_s: float) -> float | None:
    kept, plain = (median(samples[_named(label, latency_s)], "cpu_s") for label in (KEPT, PLAIN))
    return None if kept is None or plain is None else kept - plain
