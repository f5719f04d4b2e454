"""The cost of safety: with a journal, with everything, and with neither; over HTTP at 10 ms, 50 calls at once."""

from benchmarks.harness import Arm, Plan, compare, endpoint
from benchmarks.tables import Target, ratio, report

ITEMS = 8_000
PLAIN, JOURNAL, EVERYTHING = "plain", "with a journal", "everything on"
WANTED = {JOURNAL: 0.95, EVERYTHING: 0.75}


def run(plan: Plan) -> list[Target]:
    """Measure all three in turns."""
    with endpoint(latency_s=0.01) as url:
        given = {"items": plan.items(ITEMS), "url": url, "at_once": 50}
        arms = [
            Arm(PLAIN, "ours:batch", given),
            Arm(JOURNAL, "ours:with_journal", given),
            Arm(EVERYTHING, "ours:everything", given),
        ]
        samples = compare(arms, rounds=plan.rounds)
    targets = [
        Target(f"{label}, of the plain run", ratio(samples, label, PLAIN), wanted, form=".0%")
        for label, wanted in WANTED.items()
    ]
    title = "The cost of safety (everything: journal, both limits, budget, price, a sink), 10 ms, 50 at once"
    return report("everything", samples, base=PLAIN, targets=targets, title=title)
