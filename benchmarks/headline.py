"""The headline table: 10 ms per call, by calls at once, against the bare client and the ideal."""

from benchmarks.harness import Arm, Plan, compare, endpoint
from benchmarks.tables import Samples, Target, median, ratio, report

LATENCY_S = 0.01
# Calls at once, and the target: a share of the bare client's items per second.
WANTED = {1: 0.97, 5: 0.97, 10: 0.97, 50: 0.93}
OF_IDEAL_AT_50 = 0.85
SECONDS = 2.0
AIOHTTP = "bare, over aiohttp"


def run(plan: Plan) -> list[Target]:
    """Measure ours and the bare client in turns."""
    with endpoint(latency_s=LATENCY_S) as url:
        arms = [
            Arm(
                _label(who, at_once),
                f"{who}:batch",
                {"items": plan.items(_items(at_once)), "url": url, "at_once": at_once},
            )
            for at_once in WANTED
            for who in ("ours", "bare")
        ]
        given = {"items": plan.items(_items(50)), "url": url, "at_once": 50}
        arms.append(Arm(_label(AIOHTTP, 50), "bare:over_aiohttp", given))
        samples = compare(arms, rounds=plan.rounds)
    bare = {_label(who, at_once): _label("bare", at_once) for at_once in WANTED for who in ("ours", "bare", AIOHTTP)}
    title = f"Over HTTP, {LATENCY_S * 1000:g} ms, by calls at once (ideal: 100 items/s for each)"
    return report("headline", samples, base=bare, targets=_targets(samples), title=title)


def _items(at_once: int) -> int:
    return round(SECONDS * at_once / LATENCY_S)


def _label(who: str, at_once: int) -> str:
    return f"{at_once:>4}, {who}"


def _targets(samples: Samples) -> list[Target]:
    shares = [
        Target(f"{at_once} at once, of the bare client", _to_bare(samples, at_once), wanted, form=".1%")
        for at_once, wanted in WANTED.items()
    ]
    ideal = 50 / LATENCY_S
    return [*shares, Target("50 at once, items/s", median(samples[_label("ours", 50)]), OF_IDEAL_AT_50 * ideal)]


def _to_bare(samples: Samples, at_once: int) -> float | None:
    return ratio(samples, _label("ours", at_once), _label("bare", at_once))
