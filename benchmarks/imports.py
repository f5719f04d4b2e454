"""What `import kaizen_batch` costs: a fresh interpreter with it, against one without, in turns."""

import json
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
    """Seconds, and which heavy packages came along."""
    times = [(seconds("import kaizen_batch"), seconds("pass")) for _ in range(plan.rounds * TIMES_EACH_ROUND)]
    cost_s = statistics.median(with_it for with_it, _ in times) - statistics.median(bare for _, bare in times)
    heavy = json.loads(python(_LOADED))
    targets = [
        Target("import kaizen_batch, seconds", cost_s, WANTED_S, at_most=True, form=".3f"),
        Target("heavy packages that it loads", len(heavy), 0, at_most=True, form="d"),
    ]
    print("", "Import", *(f"it loads {name}" for name in heavy), *targets, sep="\n", flush=True)
    write("imports", {"seconds": times, "heavy": heavy}, targets)
    return targets


def seconds(code: str) -> float:
    """How long an interpreter takes to run this, from start to end."""
    started = time.perf_counter()
    python(code)
    return time.perf_counter() - started


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True).stdout
