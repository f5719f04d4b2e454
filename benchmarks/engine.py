"""The engine alone, without latency: its own cost per item, and whether memory stays flat.

Slow peers get fewer items; the figures are items per second.
"""

from benchmarks.harness import Arm, Plan, Sample, compare
from benchmarks.tables import Target, median, report

AT_ONCE = 50
ITEMS = 200_000
FEW, MANY = 1_000, 1_000_000
RATE, GROWTH_MB = 100_000, 10

FUNCTION, MODEL = "ours, a function", "ours, a signature and a provider"
# Everything: both limits, budget, price, adaptive concurrency, progress; and the highest CPU time per item, in ms.
SAFE, SAVED = "ours, everything but a journal", "ours, everything"
WANTED_MS = {SAFE: 0.025, SAVED: 0.040}
ARMS = (
    (FUNCTION, "ours:function", ITEMS),
    (MODEL, "ours:model", ITEMS),
    (SAFE, "ours:safe_model", 50_000),
    (SAVED, "ours:safe_model_with_journal", 20_000),
    ("gather and a semaphore", "peers.plain:gather", ITEMS),
    ("aiometer.amap", "peers.aiometer:amap", 20_000),
    ("LangChain abatch", "peers.langchain:function", 5_000),
)


def run(plan: Plan) -> list[Target]:
    """Measure items per second."""
    arms = [Arm(label, where, {"items": plan.items(items), "at_once": AT_ONCE}) for label, where, items in ARMS]
    samples = compare(arms, rounds=plan.rounds)
    targets = [Target(f"{label}, items/s", median(samples[label]), RATE) for label in (FUNCTION, MODEL)]
    targets += [
        Target(f"{label}, CPU ms an item", median(samples[label], "cpu_s"), most, at_most=True, form=".3f")
        for label, most in WANTED_MS.items()
    ]
    title = f"The engine alone, an agent that does nothing, {AT_ONCE} at once"
    return report("engine", samples, base="gather and a semaphore", targets=targets, title=title)


def memory(plan: Plan) -> list[Target]:
    """Stream a million items and a thousand: the memory peak must not grow with the batch."""
    arms = [
        Arm(f"{label}: {items:,}", where, {"items": items, "at_once": AT_ONCE})
        for label, where in ((FUNCTION, "ours:function"), (MODEL, "ours:model"))
        for items in (FEW, plan.items(MANY))
    ]
    samples = compare(arms, rounds=1)
    growths = [growth(samples[few.label], samples[many.label]) for few, many in zip(arms[::2], arms[1::2], strict=True)]
    targets = [
        Target(f"{label}, growth of the peak in MB", grown, GROWTH_MB, at_most=True, form=".1f")
        for label, grown in zip((FUNCTION, MODEL), growths, strict=True)
    ]
    return report("memory", samples, base=arms[0].label, targets=targets, title="Flat memory, streamed items")


def growth(few: list[Sample], many: list[Sample]) -> float | None:
    """By how many MB the peak of many items exceeds that of few."""
    less, more = median(few, "peak_mb"), median(many, "peak_mb")
    return more - less if less is not None and more is not None else None
