"""CPU time against another commit: `python -m benchmarks.pairs --base PATH [--pairs 9] [--only function,model]`.

The same arm runs in both checkouts, in turns, each time in a fresh process; a pair is two samples side by side, so a
noisy moment hits both. The ratio is that of the CPU time (user and system) of an item. The table gives its median over
the pairs, and the interval that holds 95% of the medians of resampled pairs (the bootstrap of B. Efron, "Bootstrap
methods: another look at the jackknife", 1979). Both arms over HTTP call one endpoint, that of this checkout.
"""

import random
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import click

from benchmarks.harness import Arm, endpoint, sample

AT_ONCE = 50
RESAMPLES = 2_000
# The arm, its items, and the endpoint's latency in seconds; None: no endpoint.
ARMS: dict[str, tuple[str, int, float | None]] = {
    "function": ("ours:function", 20_000, None),
    "model": ("ours:model", 20_000, None),
    "safe": ("ours:safe_model", 10_000, None),
    "saved": ("ours:safe_model_with_journal", 5_000, None),
    "wire": ("ours:batch", 8_000, 0.0),
    "wire-uvloop": ("ours:on_uvloop", 8_000, 0.0),
    "headline": ("ours:batch", 8_000, 0.01),
    "journal": ("ours:with_journal", 4_000, 0.01),
    "everything": ("ours:everything", 4_000, 0.01),
}


def interval(ratios: Sequence[float]) -> tuple[float, float, float]:
    """The median, and the bounds of its 95% interval."""
    draw = random.Random(0).choices
    medians = sorted(median(draw(ratios, k=len(ratios))) for _ in range(RESAMPLES))
    return median(ratios), medians[int(RESAMPLES * 0.025)], medians[int(RESAMPLES * 0.975)]


def pairs(name: str, base: Path, wanted: int, url: str | None) -> list[tuple[float, float]]:
    """CPU seconds for 1,000 items of this checkout and of `base`, pair by pair; who goes first changes each time."""
    where, items, _ = ARMS[name]
    parameters = {"items": items, "at_once": AT_ONCE, **({} if url is None else {"url": url})}
    ours, theirs = Arm(name, where, parameters), Arm(name, where, parameters, root=base)
    found = []
    for number in range(wanted):
        order = (ours, theirs) if number % 2 else (theirs, ours)
        taken = [sample(arm) for arm in order]
        assert taken[0] is not None and taken[1] is not None
        first, second = taken[0].cpu_s, taken[1].cpu_s
        found.append((first, second) if number % 2 else (second, first))
    return found


def _measure(name: str, base: Path, wanted: int) -> None:
    latency_s = ARMS[name][2]
    if latency_s is None:
        found = pairs(name, base, wanted, None)
    else:
        with endpoint(latency_s=latency_s) as url:
            found = pairs(name, base, wanted, url)
    middle, low, high = interval([ours / theirs for ours, theirs in found])
    ours_ms, theirs_ms = (median(column) for column in zip(*found, strict=True))
    print(
        f"{name:12} {theirs_ms * 1000:8.1f} {ours_ms * 1000:8.1f}   {middle:.3f}  ({low:.3f} to {high:.3f})", flush=True
    )


@click.command("pairs")
@click.option("--base", required=True, type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path))
@click.option("--pairs", "wanted", default=9, type=click.IntRange(1), show_default=True, help="Pairs for each arm.")
@click.option("--only", default=",".join(ARMS), show_default=True, metavar="A,B", help="Only these arms.")
def main(base: Path, wanted: int, only: str) -> None:
    """Compare the CPU time of an item with that of another checkout."""
    names = only.split(",")
    for name in names:
        if name not in ARMS:
            raise click.BadParameter(f"no arm {name!r}: the arms are {', '.join(ARMS)}")
    print("arm           base, us  ours, us   ratio  95% interval of the median")
    for name in names:
        _measure(name, base, wanted)


if __name__ == "__main__":
    main()
