"""The kill test with three kills, and two runs on one journal. `python tests/trust/kill_test.py` is longer."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from kaizen_batch.journal import Journal
from kaizen_batch.simulator import Simulator
from tests.trust.kill_processes import ROOT, end_of, script, wait_until

RUN = "asyncio.run(strategy.run_batch(agent, ITEMS))"


def test_a_run_killed_three_times_loses_nothing_and_repeats_only_calls_in_flight() -> None:
    command = [sys.executable, str(ROOT / "tests" / "trust" / "kill_test.py"), "--kills", "3", "--items", "1000"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=subprocess.STDOUT, text=True, start_new_session=True) as play:
        try:
            output, _ = play.communicate(timeout=120)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(play.pid, signal.SIGKILL)
    assert play.returncode == 0 and "\nheld:" in output, output


def test_a_second_run_on_the_same_journal_fails_at_once_and_names_the_first(tmp_path: Path) -> None:
    journal = tmp_path / "run.db"
    with Simulator(latency_s=0.3) as simulator, script(RUN, simulator.base_url, journal) as first:
        wait_until(lambda: simulator.ledger.in_flight == 5)
        with Simulator() as unasked, script(RUN, unasked.base_url, journal) as second:
            code, errors = end_of(second)
            assert unasked.ledger.calls == 0
        assert code == 1 and "JournalError" in errors and f"in use by process {first.pid} on " in errors
        assert first.poll() is None
        assert end_of(first, 60) == (0, "")
        assert simulator.ledger.billed == 60 == Journal(journal).count()["done"]
