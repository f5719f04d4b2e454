"""Ctrl-C at a real terminal: the bar moves, what is in flight comes home, and the same command finishes the run."""

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pexpect
import pytest

from kaizen_batch.simulator import Simulator
from tests.commands.conftest import HEEDS_CTRL_C
from tests.trust.kill_processes import ROOT, end_of, wait_until

# pexpect forks, beside the simulator's thread; the child becomes another program at once.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")

ROWS = 60
COMMAND = [
    *("run", "tickets.csv", "--prompt", "Classify: {text}", "--output", "labels.csv"),
    *("--max-concurrent", "5"),
]
SHOWN = "kaizen-batch run tickets.csv --prompt 'Classify: {text}' --output labels.csv --max-concurrent 5"


@pytest.fixture
def tickets(tmp_path: Path) -> Path:
    with (tmp_path / "tickets.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text"])
        writer.writerows([number, f"ticket {number}"] for number in range(ROWS))
    return tmp_path


def environment(url: str, **more: str) -> dict[str, str]:
    path = os.pathsep.join([str(ROOT), *sys.path])
    return {**os.environ, "PYTHONPATH": path, "OPENAI_BASE_URL": url, "TERM": "xterm", "COLUMNS": "120", **more}


@contextmanager
def terminal(folder: Path, url: str, **more: str) -> Iterator["pexpect.spawn[str]"]:
    child = pexpect.spawn(
        HEEDS_CTRL_C[0],
        [*HEEDS_CTRL_C[1:], *COMMAND],
        cwd=str(folder),
        env=environment(url, **more),  # type: ignore[arg-type] # its stub wants os._Environ
        encoding="utf-8",
        dimensions=(40, 120),
        timeout=60,
    )
    try:
        yield child
    finally:
        child.close(force=True)


def port_of(simulator: Simulator) -> int:
    return urlsplit(simulator.base_url).port or 0


def test_ctrl_c_leaves_a_run_that_the_same_command_finishes(tickets: Path) -> None:
    with Simulator(latency_s=0.4) as simulator:
        with terminal(tickets, simulator.base_url) as child:
            child.expect(r"([1-9]\d*)/60")
            first = child.match.group(1)
            child.expect(rf"(?!{first}/)([1-9]\d*)/60")  # it moves
            child.sendintr()
            child.expect("stopping: waiting up to 10 s for in-flight calls; Ctrl-C again to stop now")
            child.expect(r"rows.*: (\d+) done, (\d+) not attempted")
            saved = int(child.match.group(1))
            assert saved + int(child.match.group(2)) == ROWS
            child.expect("saved     all answers so far, in labels.csv.journal.db")
            child.expect_exact(SHOWN)
            child.expect(pexpect.EOF)
            child.wait()
            assert child.exitstatus == 130, child.before
        assert 0 < saved < ROWS and saved == simulator.ledger.billed
        assert not (tickets / "labels.csv").exists()
    # The same endpoint, and quick: the rest has nothing to wait for.
    with Simulator(port=port_of(simulator)) as quick, terminal(tickets, quick.base_url) as child:
        child.expect("wrote     60 rows to labels.csv")
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 0
        assert quick.ledger.billed == ROWS - saved
    with (tickets / "labels.csv").open(encoding="utf-8", newline="") as file:
        assert [row["result"] for row in csv.DictReader(file)] == [
            f"mock answer to: Classify: ticket {number}" for number in range(ROWS)
        ]


def test_a_second_ctrl_c_ends_at_once(tickets: Path) -> None:
    with Simulator(latency_s=600) as simulator, terminal(tickets, simulator.base_url, KAIZEN_GRACE="300") as child:
        wait_until(lambda: simulator.ledger.in_flight == 5)
        child.sendintr()
        child.expect("stopping: waiting up to 300 s")
        child.sendintr()
        child.expect_exact(SHOWN)
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 130
        assert "Traceback" not in (child.before or "")


def test_sigterm_says_how_to_go_on_too(tickets: Path) -> None:
    with Simulator(latency_s=0.2) as simulator:
        command = [*HEEDS_CTRL_C, *COMMAND]
        given = {"cwd": tickets, "env": environment(simulator.base_url), "text": True}
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **given) as process:  # type: ignore[call-overload]
            try:
                wait_until(lambda: simulator.ledger.billed >= 10)
                process.send_signal(signal.SIGTERM)
                code, errors = end_of(process)
            finally:
                process.kill()
    assert code == 143
    assert "saved     all answers so far, in labels.csv.journal.db" in errors
    assert SHOWN in errors and "Traceback" not in errors and "never retrieved" not in errors
