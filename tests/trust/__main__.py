"""`python -m tests.trust`: try the promises on crashes, cancellations, signals and full disks, and print a table.

    python -m tests.trust [--kills 20] [--cancellations 300] [--signals 8] [--disk-faults 10] [--seed 0]

The exit code is 1 if one of them was broken. It takes some minutes, and needs no network.
"""

import argparse
import logging
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.trust import harnesses

_LONGEST_S = 900.0

Harness = Callable[[int, Path, int], list[str]]


def kills(times: int, folder: Path, seed: int) -> list[str]:
    """Kill a run with SIGKILL: see kill_test.py."""
    script = str(Path(__file__).with_name("kill_test.py"))
    command = [sys.executable, script, "--kills", str(times), "--items", str(100 * times), "--seed", str(seed)]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST_S, check=False)
    except subprocess.TimeoutExpired:
        return [f"the kills have not ended after {_LONGEST_S:g} s"]
    return [] if ended.returncode == 0 else [line for line in ended.stdout.splitlines() if "FAILED" in line]


HARNESSES: dict[str, tuple[str, Harness]] = {
    "kills": ("SIGKILL loses no answer, and repeats only calls that were in flight", kills),
    "cancellations": ("A cancelled run leaves nothing running, and loses no answer", harnesses.cancellations),
    "signals": ("Ctrl-C, SIGTERM, SIGHUP, SIGQUIT: the exit code says so, the next run completes", harnesses.signals),
    "disk_faults": ("A full disk is one error; older outputs stay, the next run completes", harnesses.disk_faults),
}
HEAD = ("| promise | tried | violations |", "|---|---:|---:|")
TIMES = {"kills": 20, "cancellations": 300, "signals": 8, "disk_faults": 10}


def row(name: str, times: int, violations: int) -> str:
    """The row of one promise, as docs/security.md shows it."""
    return f"| {HARNESSES[name][0]} | {times} {name.replace('_', ' ')} | {violations} |"


def table(times: dict[str, int], seed: int) -> tuple[list[str], list[str]]:
    """The lines of the table, and the violations; how long each promise took is told on the way."""
    lines, violations = [*HEAD], list[str]()
    for name, (_, harness) in HARNESSES.items():
        began = time.monotonic()
        with TemporaryDirectory() as folder:
            found = harness(times[name], Path(folder), seed)
        violations += found
        lines.append(row(name, times[name], len(found)))
        sys.stderr.write(f"{name}: {time.monotonic() - began:.0f} s\n")
    return lines, violations


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, count in TIMES.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=count)
    parser.add_argument("--seed", type=int, default=0)
    options = vars(parser.parse_args())
    logging.disable(logging.CRITICAL)  # each run that ends early says so
    lines, violations = table({name: options[name] for name in TIMES}, options["seed"])
    sys.stdout.write("\n".join([*lines, "", *violations]).rstrip() + "\n")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
