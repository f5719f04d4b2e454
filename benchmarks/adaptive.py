"""How well adaptive concurrency finds the limit of an endpoint with a hidden saturation point, and of a brownout.

    python -m benchmarks --only adaptive [--rounds 3]

For each saturation point ("knee"), fixed values are tried for a few seconds each. Then the best of them and the
adaptive limit, which knows only the upper bound, process the same batch in turns. The latencies are chosen so that the
endpoint, not the client, is the bottleneck.
"""

import asyncio
import bisect
import time

from pydantic import SecretStr

from benchmarks.harness import Arm, Plan, compare, sample, simulator
from benchmarks.tables import Target, ratio, report
from kaizen_batch import BatchConfig, ParallelBatchStrategy
from kaizen_batch.agents import create_agent
from kaizen_batch.events import Event, ItemFinished

ROUNDS, ITEMS = 3, 3_000
OF_BEST = 0.9
CEILING = 64
KNEES = {4: 0.018, 12: 0.05, 40: 0.15}  # and the latency in seconds
FACTORS = (0.5, 0.75, 1.0, 1.25, 1.5)  # of the knee: the fixed values tried, besides the ceiling
SCAN_S = 2.0
BROWNOUT = (10.0, 18.0, 5.0)  # start, end, factor on the time of a call
BROWNOUT_KNEE, BROWNOUT_ITEMS = 12, 4000
WINDOW = 100


async def finish_times(url: str, items: int, at_once: int, adaptive: bool, deadline_s: float | None) -> list[float]:
    """The times at which the items of one batch were answered, on time.perf_counter."""
    ends: list[float] = []

    def note(event: Event) -> None:
        if isinstance(event, ItemFinished) and event.result.status == "ok":
            ends.append(time.perf_counter())

    config = BatchConfig(
        api_key=SecretStr("none"),
        base_url=url,
        max_concurrent=at_once,
        adaptive=adaptive,
        deadline_s=deadline_s,
        grace_s=0.0 if deadline_s else 10.0,
        timeout_s=600,
    )
    prompts = ({"prompt": f"item {n}: a line of text"} for n in range(items))
    async with ParallelBatchStrategy.from_config(config, on_event=note).stream(create_agent(config), prompts) as run:
        async for _ in run:
            pass
    assert deadline_s or len(ends) == items
    return ends


async def batch(url: str, items: int, at_once: int, adaptive: bool = False, deadline_s: float | None = None) -> int:
    """Run one batch of short prompts, up to the deadline if there is one."""
    return len(await finish_times(url, items, at_once, adaptive, deadline_s))


def best_fixed(knee: int, latency_s: float) -> tuple[int, dict[int, float]]:
    """The fixed value with the most items/s, and the rate of each."""
    values = sorted({max(1, round(knee * factor)) for factor in FACTORS if knee * factor < CEILING} | {CEILING})
    most = round(2 * knee / latency_s * SCAN_S)
    rates = {}
    for value in values:
        # A new endpoint for each value: calls left over from the previous one would count as load.
        with simulator(latency_s=latency_s, latency_sigma=0.2, knee=knee) as url:
            given = {"url": url, "items": most, "at_once": value, "deadline_s": SCAN_S}
            taken = sample(Arm(str(value), "adaptive:batch", given))
            rates[value] = taken.items_per_s if taken else 0.0
    return max(values, key=rates.__getitem__), rates


def hidden_knee(knee: int, latency_s: float, *, rounds: int, items: int) -> list[Target]:
    """Throughput of the adaptive limit, as a share of the best fixed value's."""
    best, rates = best_fixed(knee, latency_s)
    print(f"\nknee {knee}, ceiling {CEILING}, {latency_s} s, {items:,} items")
    print("fixed:", ", ".join(f"{value}: {rate:,.0f}/s" for value, rate in rates.items()))
    label = f"best fixed value ({best})"
    with simulator(latency_s=latency_s, latency_sigma=0.2, knee=knee) as url:
        given = {"url": url, "items": items}
        arms = [
            Arm(label, "adaptive:batch", {**given, "at_once": best}),
            Arm("adaptive", "adaptive:batch", {**given, "at_once": CEILING, "adaptive": True}),
        ]
        samples = compare(arms, rounds=rounds)
    share = Target(f"knee {knee}, of the best fixed value", ratio(samples, "adaptive", label), OF_BEST, form=".0%")
    return report(f"adaptive-knee-{knee}", samples, base=label, targets=[share], fixed=rates)


def brownout() -> None:
    """Run one batch through a period in which every call takes a multiple of its time."""
    start, end, factor = BROWNOUT
    knee = BROWNOUT_KNEE
    with simulator(latency_s=KNEES[knee], latency_sigma=0.2, knee=knee, brownout=BROWNOUT) as url:
        zero = time.perf_counter()
        ends = [at - zero for at in asyncio.run(finish_times(url, BROWNOUT_ITEMS, CEILING, True, None))]
    before = rate(ends, start / 2, start)
    print(f"\nbrownout at knee {knee}: from {start:g} s to {end:g} s every call takes {factor:g} times as long")
    print(f"before {before:.0f} items/s, during {rate(ends, start + 1, end):.0f}, ", end="")
    print(f"after {rate(ends, end + 1, ends[-WINDOW]):.0f}")
    for share in (0.5, 0.8, 0.9):
        print(f"back at {share:.0%} after {items_until(ends, end, share * before)} items")


def rate(ends: list[float], start: float, end: float) -> float:
    """Items per second between two times."""
    return (bisect.bisect(ends, end) - bisect.bisect(ends, start)) / (end - start)


def items_until(ends: list[float], start: float, wanted: float) -> int | None:
    """How many items finish after `start` before the next `WINDOW` of them reach the given rate; None if never."""
    first = bisect.bisect(ends, start)
    back = (n for n in range(first, len(ends) - WINDOW) if WINDOW / (ends[n + WINDOW] - ends[n]) >= wanted)
    return next((n - first for n in back), None)


def run(plan: Plan) -> list[Target]:
    """Three saturation points, then the brownout."""
    rounds, items = plan.at_most(ROUNDS), plan.items(ITEMS)
    shares = [hidden_knee(knee, latency_s, rounds=rounds, items=items) for knee, latency_s in KNEES.items()]
    brownout()
    return [target for share in shares for target in share]
