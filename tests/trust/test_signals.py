"""Signals end a run politely: what is in flight is saved, and the process says by its code what ended it."""

import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from kaizen_batch import Journal, JournalError
from tests.trust.kill_processes import wait_until

PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores these two
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # and one under nohup this one
from kaizen_batch import BatchProcessorAgent, MockProvider
agent = BatchProcessorAgent(provider=MockProvider(latency_s=0.3), max_concurrent=4, journal=sys.argv[1])
agent.map([f"question {n}" for n in range(400)])
"""


def done(journal: Path) -> int:
    with suppress(JournalError):  # it is being made
        return Journal(journal).count()["done"]
    return 0


def ended_by(number: signal.Signals, journal: Path) -> tuple[int, str]:
    with subprocess.Popen([sys.executable, "-c", PROGRAM, str(journal)], stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until(lambda: done(journal) >= 4)
            process.send_signal(number)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    return process.returncode, errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_saves_what_is_in_flight(number: signal.Signals, tmp_path: Path) -> None:
    code, errors = ended_by(number, tmp_path / "run.db")
    assert code == 128 + number, errors
    count = Journal(tmp_path / "run.db").count()
    assert count["in_flight"] == 0 and count["done"] >= 8
    assert "Traceback" not in errors


def test_ctrl_c_in_a_script_is_a_short_traceback_that_names_the_journal(tmp_path: Path) -> None:
    code, errors = ended_by(signal.SIGINT, tmp_path / "run.db")
    assert code in (130, -signal.SIGINT)
    trace = errors[errors.index("Traceback") :]
    assert len(trace.splitlines()) <= 12 and "CancelledError" not in trace
    saved = f"the answers so far are saved in '{tmp_path / 'run.db'}': run the same program again to resume"
    assert trace.strip().splitlines()[-1] == f"KeyboardInterrupt: {saved}"
