"""Scripts in separate processes, which never outlive their test."""

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kaizen_batch.journal import Journal

ROOT = Path(__file__).resolve().parents[2]
Script = subprocess.Popen[str]

# A shell starts background jobs with SIGINT ignored, and the tests may be such a job.
_HEAD = """
import asyncio, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from kaizen_batch import BatchConfig, ItemFinished, ParallelBatchStrategy
from kaizen_batch.agents import create_agent
url, journal = sys.argv[1:]
ITEMS = [f"item {n}" for n in range(60)]

def say(word):
    print(word, flush=True)

def tell(event):
    if isinstance(event, ItemFinished) and event.result.error and event.result.error.code == "not_attempted":
        say("stopping")

config = BatchConfig(base_url=url, journal=journal or None, max_concurrent=5)
strategy = ParallelBatchStrategy.from_config(config, on_event=tell)
agent = create_agent(config)
"""


@contextmanager
def script(body: str, url: str, journal: Path | None) -> Iterator[Script]:
    """Run the body in a new Python process, with `agent`, `strategy`, `journal` and `ITEMS`."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    command = [sys.executable, "-c", _HEAD + body, url, str(journal or "")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def heard(process: Script, word: str) -> None:
    """Wait until the process prints this."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == word:
            return
    raise AssertionError(f"it ended without saying {word!r}: {process.communicate(timeout=30)[1]}")


def end_of(process: Script, seconds: float = 20) -> tuple[int, str]:
    """The exit code and stderr; the timeout only guards against hanging."""
    errors = process.communicate(timeout=seconds)[1]
    return process.returncode, errors


def kept(path: Path) -> dict[str, int]:
    """The requests in the journal by state, without those that were never sent."""
    sent = [entry for entry in Journal(path) if entry.error is None or entry.error.code != "not_attempted"]
    return dict(Counter(entry.state for entry in sent))


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until another process has done something."""
    for _ in range(3_000):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never came")
