"""Ctrl-C: no new call is started, and the process ends."""

import signal
import subprocess
import sys
import threading

from kaizen_batch.simulator import Simulator
from tests.trust.kill_processes import wait_until

SCRIPT = """
import asyncio, signal, sys
from kaizen_batch import BatchProcessorAgent
# A shell starts background jobs with SIGINT ignored, and the tests may be such a job.
signal.signal(signal.SIGINT, signal.default_int_handler)
agent = BatchProcessorAgent(base_url=sys.argv[1], max_concurrent=5)
asyncio.run(agent.process_batch([f"item {n}" for n in range(10_000)]))
"""


def test_ctrl_c_ends_a_run_over_http_with_no_further_call() -> None:
    with Simulator(latency_s=0.05) as simulator:
        command = [sys.executable, "-c", SCRIPT, simulator.base_url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                wait_until(lambda: simulator.ledger.calls >= 10 or process.poll() is not None)
                process.send_signal(signal.SIGINT)
                _, errors = process.communicate(timeout=30)
            finally:
                process.kill()
        wait_until(lambda: simulator.ledger.in_flight == 0)
        calls = simulator.ledger.calls
        threading.Event().wait(0.2)
        assert simulator.ledger.calls == calls < 10_000
    assert "KeyboardInterrupt" in errors
    assert "never retrieved" not in errors
    assert "was destroyed" not in errors


SINGLE = SCRIPT.replace(
    'asyncio.run(agent.process_batch([f"item {n}" for n in range(10_000)]))', 'agent.process_single("a question")'
)


def test_ctrl_c_ends_a_waiting_synchronous_call() -> None:
    with Simulator(latency_s=600.0) as simulator:
        command = [sys.executable, "-c", SINGLE, simulator.base_url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                wait_until(lambda: simulator.ledger.in_flight == 1 or process.poll() is not None)
                process.send_signal(signal.SIGINT)
                _, errors = process.communicate(timeout=30)
            finally:
                process.kill()
    assert errors.splitlines()[-1].startswith("KeyboardInterrupt")
    assert "never retrieved" not in errors and "was destroyed" not in errors
