"""A new user's first hour, in a shell on a real terminal: with what the README and `--help` say, and nothing else.

Demo, estimate, run, Ctrl-C, resume, failed rows, another prompt, report. Each step uses the command that the one before
has printed, where it has printed one.
"""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from kaizen_batch.simulator import Simulator
from kaizen_batch.simulator.settings import error_reply
from tests.trust.kill_processes import ROOT

# pexpect forks, beside the simulator's thread; the child becomes another program at once.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")

ROWS = 60
RUN = 'kaizen-batch run tickets.csv --prompt "Classify: {text}" --output labels.csv --max-concurrent 4'


class Shell:
    """A shell in a terminal of 100 columns; `screen` is what the last command has printed."""

    def __init__(self, folder: Path, url: str) -> None:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        ours = {"PATH": path, "OPENAI_BASE_URL": url, "TERM": "xterm", "PS1": "", "PYTHONPATH": str(ROOT)}
        self._shell = pexpect.spawn(
            "bash",
            ["--norc", "--noprofile"],
            cwd=str(folder),
            env={**inherited, **ours},  # type: ignore[arg-type] # its stub wants os._Environ
            encoding="utf-8",
            dimensions=(50, 100),
            timeout=90,
        )
        self._shell.setecho(False)
        self._asked = 0
        self.screen = ""

    def type(self, command: str) -> None:
        """Type a command, and do not wait for it."""
        self._asked += 1
        self._shell.sendline(f'{command}; echo "status-{self._asked}:"$?')

    def wait_for(self, pattern: str) -> None:
        """Wait until this is on the screen."""
        self._shell.expect(pattern)

    def press_ctrl_c(self) -> None:
        """As a person does."""
        self._shell.sendintr()

    def end(self) -> int:
        """Wait for the command's end; its exit code."""
        self._shell.expect(rf"status-{self._asked}:(\d+)")
        self.screen = re.sub(r"\x1b\[[\d;?]*[A-Za-z]|\r", "", self._shell.before or "")
        return int(self._shell.match.group(1))

    def do(self, command: str) -> int:
        """Type a command and wait for its end."""
        self.type(command)
        return self.end()

    def close(self) -> None:
        """Leave."""
        self._shell.close(force=True)

    @property
    def next_command(self) -> str:
        """The command that the screen recommends, to be pasted."""
        found = self.screen.partition("next      ")[2].partition(":\n  ")[2].strip()
        return found.replace("\\\n", " ").splitlines()[0].strip()


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(latency_s=0.25) as simulator:
        yield simulator


@pytest.fixture
def shell(tmp_path: Path, simulator: Simulator) -> Iterator[Shell]:
    rows = "".join(f"{number},ticket {number}\n" for number in range(1, ROWS + 1))
    (tmp_path / "tickets.csv").write_text(f"id,text\n{rows}", encoding="utf-8")
    shell = Shell(tmp_path, simulator.base_url)
    yield shell
    shell.close()


def test_the_first_hour(shell: Shell, simulator: Simulator, tmp_path: Path) -> None:
    assert shell.do("kaizen-batch demo") == 0
    assert "20 ok, 0 failed" in shell.screen

    assert shell.do("kaizen-batch --help") == 0
    assert "estimate  Predict the tokens, cost and time of a run." in shell.screen

    assert shell.do(f"{RUN.replace(' run ', ' estimate ')} --canary 4") == 0
    assert re.search(r"rows +60\n", shell.screen) and "4 rows that were asked" in shell.screen
    asked = simulator.ledger.calls

    shell.type(RUN)
    shell.wait_for(r"[1-9]\d*/60")
    shell.press_ctrl_c()
    assert shell.end() == 130
    assert "stopped   you pressed Ctrl-C" in shell.screen and "Traceback" not in shell.screen
    assert (tmp_path / "labels.partial.csv").exists() and not (tmp_path / "labels.csv").exists()
    saved = simulator.ledger.calls
    assert asked < saved < ROWS

    simulator.reply_with(*[error_reply(400, "content_policy", "not this one")] * 2)
    assert shell.do(shell.next_command) == 3
    assert "2 content_policy: " in shell.screen
    assert "2 to labels.failed.csv, each with its error" in shell.screen
    assert simulator.ledger.calls == ROWS  # nothing was asked twice
    assert not (tmp_path / "labels.partial.csv").exists()
    failed_rows = shell.next_command
    assert "labels.failed.csv" in failed_rows

    assert shell.do("cat labels.failed.csv") == 0
    assert "row,error_code,error,response" in shell.screen and "not this one" in shell.screen

    assert shell.do("kaizen-batch status labels.csv") == 0
    assert "58 done, 2 failed" in shell.screen

    # What the last run has recommended, for a failure that does not pass by itself: ask the failed rows alone.
    assert shell.do(failed_rows) == 0
    assert simulator.ledger.calls == ROWS + 2
    assert len((tmp_path / "labels.more.csv").read_text(encoding="utf-8").splitlines()) == 3

    assert shell.do(RUN.replace("Classify", "Summarize")) == 0
    assert simulator.ledger.calls == 2 * ROWS + 2
    assert "60 done" in shell.screen

    assert shell.do("kaizen-batch report labels.csv --output report.html") == 0
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
