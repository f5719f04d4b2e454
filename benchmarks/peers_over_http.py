"""Over HTTP against other libraries: the same prompts to the same endpoint.

At 10 ms and 50 calls at once against all of them; without latency against the bare client, where all time is the
client's.
"""

from typing import Any

from benchmarks.harness import Arm, Plan, compare, endpoint
from benchmarks.tables import Samples, Target, ratio, report

AT_ONCE = 50
LATENCY_S = 0.01
OURS, BARE = "ours", "bare client"
OURS_ON_UVLOOP, BARE_ON_UVLOOP = "ours on uvloop", "bare client on uvloop"
# Our synchronous calls and commands run on uvloop; `await` uses the running loop.
PAIRS = ((OURS_ON_UVLOOP, BARE), (OURS, BARE), (OURS_ON_UVLOOP, BARE_ON_UVLOOP))
# Items that take each about two seconds, and the target: how many times faster ours must be.
PEERS: dict[str, tuple[str, int, float | None]] = {
    "official SDK, gather": ("peers.sdk:batch", 1_000, 5.0),
    "official SDK over aiohttp": ("peers.sdk:over_aiohttp", 1_000, None),
    "async-batch-llm": ("peers.async_batch_llm:batch", 1_000, None),
    "LangChain abatch": ("peers.langchain:batch", 600, 8.0),
    "LiteLLM acompletion": ("peers.litellm:batch", 400, 12.0),
    "OpenAI cookbook's script": ("peers.cookbook:batch", 1_000, None),
}
ITEMS = 8_000
OF_BARE = 0.6


def run(plan: Plan) -> list[Target]:
    """Measure all of them at 10 ms, then ours and the bare client without latency."""
    return [*at_10_ms(plan), *at_no_latency(plan)]


def at_10_ms(plan: Plan) -> list[Target]:
    """Measure the other libraries."""
    with endpoint(latency_s=LATENCY_S) as url:
        given = {"url": url, "at_once": AT_ONCE}
        arms = [*_pair(plan, given), *(_peer(plan, label, given) for label in PEERS)]
        samples = compare(arms, rounds=plan.rounds)
    title = f"Over HTTP, {LATENCY_S * 1000:g} ms, {AT_ONCE} at once"
    return report("peers", samples, base=OURS, targets=faster_than(samples), title=title)


def at_no_latency(plan: Plan) -> list[Target]:
    """Measure the bare client."""
    with endpoint() as url:
        given = {"url": url, "at_once": AT_ONCE}
        more = [
            Arm(label, where, {**given, "items": plan.items(ITEMS)})
            for label, where in (
                (OURS_ON_UVLOOP, "ours:on_uvloop"),
                (BARE_ON_UVLOOP, "bare:on_uvloop"),
                ("our client alone", "ours:client"),
                ("bare client over aiohttp", "bare:over_aiohttp"),
            )
        ]
        samples = compare([*_pair(plan, given), *more], rounds=plan.rounds)
    shares = [
        Target(f"no latency, {one}, of the {other}", ratio(samples, one, other), OF_BARE, form=".0%")
        for one, other in PAIRS
    ]
    title = f"Over HTTP, no latency, {AT_ONCE} at once"
    return report("no-latency", samples, base=BARE, targets=shares, title=title)


def _pair(plan: Plan, given: dict[str, Any]) -> list[Arm]:
    given = {**given, "items": plan.items(ITEMS)}
    return [Arm(OURS, "ours:batch", given), Arm(BARE, "bare:batch", given)]


def _peer(plan: Plan, label: str, given: dict[str, Any]) -> Arm:
    where, items, _ = PEERS[label]
    given = {**given, "items": plan.items(items)}
    if "cookbook" in where:
        del given["at_once"]  # it has no such limit
    return Arm(label, where, given)


def faster_than(samples: Samples) -> list[Target]:
    return [
        Target(f"times {label}", ratio(samples, OURS, label), wanted, form=".1f")
        for label, (_, _, wanted) in PEERS.items()
        if wanted is not None
    ]
