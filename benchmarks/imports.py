"""The cost of `import kaizen_batch`: a new interpreter with it, against one without, in turns.

CPU seconds are shown next to wall-clock seconds, because a busy machine increases only the latter.
"""

import json
import resource
import statistics
import subprocess
import sys
import time

from benchmarks.harness import ROOT, Plan
from benchmarks.tables import Target, write

WANTED_S = 0.15
HEAVY = ("kailash", "openai", "aiohttp", "rich", "pyarrow", "plotly", "opentelemetry")
TIMES_EACH_ROUND = 3
_LOADED = f"import json, sys, kaizen_batch; print(json.dumps([name for name in {HEAVY} if name in sys.modules]))"


def run(plan: Plan) -> list[Target]:
    """Measure the seconds, and list the heavy packages that were loaded."""
    turns = range(plan.rounds * TIMES_EACH_ROUND)
    times = [(*seconds("import kaizen_batch"), *seconds("pass")) for _ in turns]
    clock_s, cpu_s, bare_clock_s, bare_cpu_s = map(statistics.median, zip(*times, strict=True))
    heavy = json.loads(python(_LOADED))
    targets = [
        Target("import kaizen_batch, seconds", clock_s - bare_clock_s, WANTED_S, at_most=True, form=".3f"),
        Target("heavy packages that it loads", len(heavy), 0, at_most=True, form="d"),
    ]
    summary = f"Import: {cpu_s - bare_cpu_s:.3f} s of CPU, {len(heavy)} of {', '.join(HEAVY)} {' '.join(heavy)}"
    print("", summary.strip(), *targets, sep="\n", flush=True)
    write("imports", {"clock_cpu_bare_clock_cpu_s": times, "heavy": heavy}, targets)
    return targets


def seconds(code: str) -> tuple[float, float]:
    """How long an interpreter takes to run this, from start to end: wall-clock and CPU seconds."""
    started, cpu_s = time.perf_counter(), _cpu_of_children()
    python(code)
    return time.perf_counter() - started, _cpu_of_children() - cpu_s


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def python(code: str) -> str:
    """The output of a new interpreter."""
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True).stdout
