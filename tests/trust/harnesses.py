"""The harnesses: runs that are cancelled, signalled and robbed of their disk at random moments, and what must hold.

Each function tries one promise a number of times and returns the violations it saw; none is what is promised.
"""

import asyncio
import json
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from kaizen_batch import BatchProcessorAgent, JournalError
from kaizen_batch.journal import Journal
from tests.trust.slow_provider import Slow

ROOT = Path(__file__).resolve().parents[2]
_ITEMS = [f"question {number}" for number in range(40)]
_ROWS = 200
_LONGEST_S = 120.0
_SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGQUIT: 131}


def cancellations(times: int, folder: Path, seed: int = 0) -> list[str]:
    """Cancel runs at random moments: nothing is left running, and a journal loses no answer and repeats none."""
    dice, found = random.Random(seed), list[str]()
    for number in range(times):
        journal = folder / f"{number}.db" if number % 2 else None
        found += (f"cancellation {number}: {problem}" for problem in asyncio.run(_cancelled(dice, journal)))
    return found


async def _cancelled(dice: random.Random, journal: Path | None) -> list[str]:
    provider, threads = Slow(), threading.active_count()
    agent = BatchProcessorAgent(
        provider=provider, max_concurrent=5, journal=journal, grace_s=dice.choice([0.0, 0.05]), endpoint_name="here"
    )
    for _ in range(3):
        running = asyncio.create_task(agent.run_batch(_ITEMS))
        await asyncio.sleep(dice.random() * 0.05)
        running.cancel()
        await asyncio.wait({running}, timeout=_LONGEST_S)
        if left := asyncio.all_tasks() - {asyncio.current_task()}:
            return [f"{len(left)} tasks are left"]
    if journal is None:
        return [] if threading.active_count() <= threads else ["a thread is left"]
    result = await agent.run_batch(_ITEMS)
    wrong = [item for item in _ITEMS if provider.calls[item] > 1 + provider.cancelled[item]]
    problems = [f"{item!r} was asked {provider.calls[item]} times" for item in wrong]
    if result.summary.ok != len(_ITEMS):
        problems.append(f"{result.summary.ok} of {len(_ITEMS)} items have their answer")
    return problems


def _command(folder: Path, output: str = "out.csv") -> list[str]:
    source = folder / "in.csv"
    if not source.exists():
        source.write_text("n,text\n" + "".join(f"{n},{'x' * 200} {n}\n" for n in range(_ROWS)))
    options = {
        "--prompt": "{text}",
        "--provider": "tests.trust.slow_provider:Slow",
        "--output": str(folder / output),
        "--max-concurrent": "5",
        "--progress": "none",
        "--grace": "1",
    }
    words = [word for option in options.items() for word in option]
    return [sys.executable, "-m", "kaizen_batch", "run", str(source), *words]


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("KAIZEN_", "OPENAI_"))}
    return {**kept, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])}


def signals(times: int, folder: Path, seed: int = 0) -> list[str]:
    """Send the signals that end a process at random moments: the exit code says so, and the next run completes."""
    dice, found = random.Random(seed), list[str]()
    for number, kind in zip(range(times), _cycle(), strict=False):
        own = folder / f"signal-{number}"
        own.mkdir()
        found += (f"signal {number}, {kind.name}: {problem}" for problem in _signalled(kind, own, dice))
    return found


def _cycle() -> Iterator[signal.Signals]:
    while True:
        yield from _SIGNALS


def _signalled(kind: signal.Signals, folder: Path, dice: random.Random) -> Iterator[str]:
    journal = folder / "out.csv.journal.db"
    with subprocess.Popen(
        _command(folder), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=_environment(), start_new_session=True
    ) as process:
        try:
            give_up = time.monotonic() + _LONGEST_S
            while process.poll() is None and not journal.exists() and time.monotonic() < give_up:
                time.sleep(0.01)
            time.sleep(dice.random() * 0.3)
            process.send_signal(kind)
            _, said = process.communicate(timeout=_LONGEST_S)
        finally:
            process.kill()  # else leaving the block would wait for it
    if process.returncode not in (0, _SIGNALS[kind], -kind):
        yield f"exit code {process.returncode}"
    if b"Traceback" in said:
        yield "a traceback"
    yield from _completes(folder)


def disk_faults(times: int, folder: Path, seed: int = 0) -> list[str]:
    """Let the disk be full at random sizes: one line says so, an older output stays, and the next run completes."""
    dice, found = random.Random(seed), list[str]()
    for number in range(times):
        own = folder / f"disk-{number}"
        own.mkdir()
        size = dice.randrange(4_000, 200_000)
        found += (f"disk fault {number}, after {size:,} bytes: {problem}" for problem in _full(size, own))
    return found


def _full(size: int, folder: Path) -> Iterator[str]:
    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    (folder / "out.csv").write_text("older\n")
    command = [*_command(folder), "--overwrite"]
    ended = subprocess.run(
        command, capture_output=True, env=_environment(), preexec_fn=limited, timeout=_LONGEST_S, check=False
    )  # fmt: skip
    if ended.returncode == 0:
        yield "no error"
    if b"Traceback" in ended.stderr:
        yield "a traceback"
    if (folder / "out.csv").read_text() != "older\n":
        yield "the older output is gone"
    yield from _completes(folder, "--overwrite")


def _completes(folder: Path, *more: str) -> Iterator[str]:
    """The same command again, after all is well: every row is there, and no answer of the journal is asked again."""
    journal = folder / "out.csv.journal.db"
    try:
        done = Journal(journal).count()["done"] if journal.exists() else 0
    except JournalError:  # the disk was full when it was made
        done = 0
    ended = subprocess.run(
        [*_command(folder), "--json", *more], capture_output=True, env=_environment(), timeout=_LONGEST_S, check=False
    )
    if ended.returncode != 0:
        yield f"the next run ends with {ended.returncode}: {ended.stderr.decode()[-300:]}"
        return
    summary = json.loads(ended.stdout)["summary"]
    if summary["ok"] != _ROWS or len((folder / "out.csv").read_text().splitlines()) != _ROWS + 1:
        yield f"{summary['ok']} of {_ROWS} rows have their answer"
    if summary["from_journal"] < done:
        yield f"{done} answers were in the journal, and {summary['from_journal']} were used"
