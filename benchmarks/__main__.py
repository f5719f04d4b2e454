"""All benchmarks, or a selection: `python -m benchmarks [--rounds 5] [--only engine,headline] [--quick]`."""

import time
from importlib import import_module

import click

from benchmarks.harness import Plan
from benchmarks.tables import RESULTS, Target, machine

PARTS = {
    "ceiling": "ceiling:run",
    "engine": "engine:run",
    "memory": "engine:memory",
    "peers": "peers_over_http:run",
    "headline": "headline:run",
    "latencies": "latencies:run",
    "everything": "everything:run",
    "journal": "journal:run",
    "imports": "imports:run",
    "cores": "cores:run",
    "graph": "graph:run",
    "adaptive": "adaptive:run",
    "limits": "limits:run",
    "distributed": "distributed:run",
    "endpoints": "endpoints:run",
}
BY_NAME_ONLY = (
    "adaptive",
    "distributed",
    "endpoints",
    "limits",
)  # depend on one mechanism alone, and most take minutes


def chosen(only: str | None) -> list[str]:
    """The parts to run. Raises: click.BadParameter for an unknown part."""
    if only is None:
        return [name for name in PARTS if name not in BY_NAME_ONLY]
    names = [name.strip() for name in only.split(",")]
    for name in names:
        if name not in PARTS:
            raise click.BadParameter(f"no part {name!r}: the parts are {', '.join(PARTS)}")
    return names


def run(name: str, plan: Plan) -> list[Target]:
    """Run one part. It prints its own tables."""
    module, _, function = PARTS[name].partition(":")
    targets: list[Target] = getattr(import_module(f"benchmarks.{module}"), function)(plan)
    return targets


@click.command("benchmarks")
@click.option("--rounds", default=5, type=click.IntRange(1), show_default=True, help="Samples per arm.")
@click.option("--only", metavar="A,B", help=f"Only these parts, out of {', '.join(PARTS)}.")
@click.option("--quick", is_flag=True, help="One round with a fiftieth of the items, to check that everything works.")
def main(rounds: int, only: str | None, quick: bool) -> None:
    """Measure all arms in turns and print medians. Libraries that are not installed are skipped."""
    plan = Plan(rounds=1 if quick else rounds, quick=quick)
    names, started = chosen(only), time.perf_counter()
    print(f"{machine()}\n{plan.rounds} rounds of {', '.join(names)}")
    targets = {name: run(name, plan) for name in names}
    print(f"\nTargets, after {time.perf_counter() - started:.0f} s (figures: {RESULTS})")
    for name, some in targets.items():
        for target in some:
            print(f"{name:12}{target}")


if __name__ == "__main__":
    main()
