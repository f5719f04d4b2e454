"""Slower calls and more of them at once: 200 ms with a long tail, and 20 ms with up to 1,000 at once."""

from benchmarks.harness import Arm, Plan, compare, endpoint
from benchmarks.tables import Samples, Target, ratio, report

TAIL_ITEMS, TAIL_AT_ONCE, TAIL_MEDIAN_S, TAIL_SIGMA = 10_000, 200, 0.2, 0.5
TAIL_ROUNDS = 2  # these calls take long
LATENCY_S = 0.02
# Calls at once: items for ours and the bare client, items for the SDK.
SIZES = {10: (1_000, 300), 200: (10_000, 300), 1_000: (10_000, 1_000)}
OF_SDK, OF_BARE = 25.0, 0.75
# Our synchronous calls and commands run on uvloop; `await` uses the running loop.
PAIRS = (("ours on uvloop", "bare"), ("ours", "bare"), ("ours on uvloop", "bare on uvloop"))


def run(plan: Plan) -> list[Target]:
    """Measure both."""
    return [*long_tail(plan), *many_at_once(plan)]


def long_tail(plan: Plan) -> list[Target]:
    """A lognormal latency: some calls take five times as long as others, and must not delay them."""
    with endpoint(latency_s=TAIL_MEDIAN_S, latency_sigma=TAIL_SIGMA) as url:
        given = {"items": plan.items(TAIL_ITEMS), "url": url, "at_once": TAIL_AT_ONCE}
        arms = [Arm("ours", "ours:batch", given), Arm("bare client", "bare:batch", given)]
        samples = compare(arms, rounds=plan.at_most(TAIL_ROUNDS))
    title = f"Lognormal, median {TAIL_MEDIAN_S * 1000:g} ms, sigma {TAIL_SIGMA}, {TAIL_AT_ONCE} at once"
    return report("long-tail", samples, base="bare client", title=title)


def many_at_once(plan: Plan) -> list[Target]:
    """The SDK's own time per call grows with the calls in flight; ours must not."""
    with endpoint(latency_s=LATENCY_S) as url:
        arms = [
            Arm(f"{at_once:>5,}, {who}", where, {"items": plan.items(items), "url": url, "at_once": at_once})
            for at_once, (fast, slow) in SIZES.items()
            for who, where, items in (
                ("ours", "ours:batch", fast),
                ("bare", "bare:batch", fast),
                ("ours on uvloop", "ours:on_uvloop", fast),
                ("bare on uvloop", "bare:on_uvloop", fast),
                ("our client alone", "ours:client", fast),
                ("bare over aiohttp", "bare:over_aiohttp", fast),
                ("SDK", "peers.sdk:batch", slow),
            )
        ]
        samples = compare(arms, rounds=plan.rounds)
    bare = {label: f"{label.partition(', ')[0]}, bare" for label in samples}
    title = f"Over HTTP, {LATENCY_S * 1000:g} ms, by calls at once"
    return report("many-at-once", samples, base=bare, targets=_targets(samples), title=title)


def _targets(samples: Samples) -> list[Target]:
    return [
        Target("1,000 at once, times the SDK", _share(samples, "ours", "SDK"), OF_SDK, form=".1f"),
        *(
            Target(f"1,000 at once, {one}, of {other}", _share(samples, one, other), OF_BARE, form=".0%")
            for one, other in PAIRS
        ),
    ]


def _share(samples: Samples, one: str, other: str) -> float | None:
    return ratio(samples, f"1,000, {one}", f"1,000, {other}")
