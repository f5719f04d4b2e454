"""The limits of the endpoint: a raw asyncio protocol, and wrk if it is installed, without and with latency.

If these figures are not well above those of the other tables, the other tables measure the endpoint. The raw client at
10 ms also shows how much of the ideal 5,000 items per second is possible on this machine.
"""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from benchmarks.bare import body_of
from benchmarks.harness import Arm, Plan, compare, endpoint, simulator
from benchmarks.tables import Target, report

AT_ONCE = 50
ITEMS = 20_000
LATENCY_S = 0.01
WRK_S = 3


def run(plan: Plan) -> list[Target]:
    """Measure the lean endpoint without latency and at 10 ms, and the simulator."""
    with endpoint() as lean, endpoint(latency_s=LATENCY_S) as late, simulator() as simulated:
        urls = {"lean endpoint": lean, "lean endpoint, 10 ms": late, "simulator": simulated}
        arms = [
            Arm(label, "bare:raw", {"items": plan.items(ITEMS), "url": url, "at_once": AT_ONCE})
            for label, url in urls.items()
        ]
        samples = compare(arms, rounds=plan.at_most(2))
        by_wrk = {label: wrk(url, 1 if plan.quick else WRK_S) for label, url in urls.items()}
    title = f"The endpoint's ceiling: a raw protocol, {AT_ONCE} at once"
    report("ceiling", samples, base="lean endpoint", title=title, wrk=by_wrk)
    for label, rate in by_wrk.items():
        print(f"wrk, {label}: {'not installed' if rate is None else f'{rate:,.0f} calls/s'}")
    return []


def wrk(url: str, seconds: int) -> float | None:
    """Calls per second by wrk, a client in C; None if it is not installed."""
    if shutil.which("wrk") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "post.lua"
        body = body_of("item 1: a line of text").decode()
        script.write_text(f'wrk.method = "POST"\nwrk.body = [[{body}]]\n')
        command = ["wrk", "-t1", f"-c{AT_ONCE}", f"-d{seconds}s", "-s", str(script), f"{url}/chat/completions"]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return requests_per_s(output)


def requests_per_s(output: str) -> float:
    """The rate in wrk's output."""
    found = re.search(r"Requests/sec:\s*([\d.]+)", output)
    assert found is not None
    return float(found[1])
