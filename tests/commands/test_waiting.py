"""What a command says of batches: while it waits, when it is left, when it comes back."""

import json
import os
import re
import signal
import subprocess
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kaizen_batch import BatchesWaiting, BatchStarted, Journal
from kaizen_batch.commands.main import main
from kaizen_batch.commands.waiting import Waiting
from kaizen_batch.simulator import Simulator
from tests.commands.conftest import HEEDS_CTRL_C
from tests.trust.kill_processes import end_of

ROWS = 60
OPTIONS = ["--prompt", "{text}", "--mode", "batch", "--batch-rows", "25", "--batch-poll", "0.02", "--progress", "none"]
PRICES = ["--price", "1", "2", "--batch-price", "0.5", "1"]


@pytest.fixture
def job(tmp_path: Path) -> list[str]:
    source = tmp_path / "in.csv"
    source.write_text("text\n" + "\n".join(f"row {number}" for number in range(ROWS)) + "\n")
    return ["run", str(source), "--output", str(tmp_path / "out.csv"), *OPTIONS, *PRICES]


def run(simulator: Simulator, *words: str) -> Result:
    environment = {"OPENAI_BASE_URL": simulator.base_url, "OPENAI_API_KEY": "any"}
    return CliRunner().invoke(main, list(words), env=environment)


def test_a_run_waits_for_its_batches_and_says_how_far_they_are(job: list[str], tmp_path: Path) -> None:
    with Simulator(price_input=1.0, price_output=2.0, batch_s=1.0) as simulator:
        done = run(simulator, *job)
        modes = simulator.ledger.billed_by_mode()
    assert done.exit_code == 0, done.output
    assert re.search(r"batches   [12] batch(es)? \(.*, \d+ of (25|50) rows done", done.output)
    assert (tmp_path / "out.csv").read_text().count("mock answer") == ROWS
    assert (modes["live"][0], modes["batch"][0]) == (10, 50)
    assert Journal(tmp_path / "out.csv.journal.db").totals().spent_usd == pytest.approx(simulator.ledger.usd)


def test_detached_its_exit_code_is_5_and_the_same_command_collects(job: list[str], tmp_path: Path) -> None:
    with Simulator(batch_s=0.6) as simulator:
        left = run(simulator, *job, "--detach")
        assert left.exit_code == 5, left.output
        assert "50 rows in batches of the provider" in left.output
        assert "run the same command again" in left.output
        assert not (tmp_path / "out.csv").exists()
        status = run(simulator, "status", str(tmp_path / "out.csv"), "--json")
        batches = json.loads(status.output)["batches"]
        assert [batch["rows"] for batch in batches] == [25, 25]
        assert "in a batch that the provider is working on" in status.output
        missing = run(simulator, "export", str(tmp_path / "out.csv"), "--format", "openai-batch")
        assert (missing.stdout, "left out  50 that wait in batches" in missing.stderr) == ("", True)
        done = run(simulator, *job)
        assert done.exit_code == 0, done.output
        assert set(simulator.ledger.billed_by_prompt().values()) == {1}
    assert (tmp_path / "out.csv").read_text().count("mock answer") == ROWS


def test_a_live_run_beside_batches_leaves_their_rows_alone(job: list[str], tmp_path: Path) -> None:
    with Simulator(batch_s=30.0) as simulator:
        run(simulator, *job, "--detach")
        beside = run(simulator, *[word if word != "batch" else "live" for word in job])
        assert simulator.ledger.billed == 10
    assert beside.exit_code == 5, beside.output
    assert "50 waiting for batches" in beside.output
    assert "to collect the answers of the batches, run" in beside.output
    failed = (tmp_path / "out.failed.csv").read_text()
    assert failed.count("in_batch") == 50


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_the_batches_running(job: list[str], tmp_path: Path, number: signal.Signals) -> None:
    with Simulator(batch_s=30.0) as simulator:
        environment = {**os.environ, "OPENAI_BASE_URL": simulator.base_url, "OPENAI_API_KEY": "any"}
        with subprocess.Popen([*HEEDS_CTRL_C, *job], env=environment, stderr=subprocess.PIPE, text=True) as process:
            try:
                heard = read_until(process, "batches   2 batches")
                process.send_signal(number)
                code, rest = end_of(process)
            finally:
                process.kill()
        assert simulator.ledger.billed == 10
    assert code == 5, heard + rest
    assert "50 rows in 2 batches of the provider, which go on without this command" in rest
    assert "to collect the answers, run the same command again" in rest and "kaizen-batch run" in rest
    assert "Traceback" not in rest and "never retrieved" not in rest
    assert Journal(tmp_path / "out.csv.journal.db").count()["submitted"] == 50


def read_until(process: "subprocess.Popen[str]", beginning: str) -> str:
    """What the process says up to a line that begins so; it is killed if that does not come."""
    watchdog, heard = threading.Timer(60, process.kill), ""
    watchdog.start()
    assert process.stderr is not None
    try:
        for line in process.stderr:
            heard += line
            if line.startswith(beginning):
                return heard
    finally:
        watchdog.cancel()
    raise AssertionError(heard)


def test_estimate_asks_its_rows_live_and_shows_the_modes(job: list[str]) -> None:
    with Simulator() as simulator:
        done = run(simulator, "estimate", *job[1:2], "--prompt", "{text}", "--mode", "batch", *PRICES)
        assert "batch" not in simulator.ledger.billed_by_mode()
    assert done.exit_code == 0, done.output
    assert "modes     live: $" in done.output and "batch: $" in done.output


def test_what_changes_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    waiting = Waiting()
    assert not waiting.is_open
    first = BatchesWaiting(1, 10, 0, {"validating": 1})
    for event in (first, first, BatchesWaiting(1, 10, 4, {"in_progress": 1})):
        waiting.see(event)
    assert waiting.is_open
    assert capsys.readouterr().err.count("batches   1 batch") == 2
    assert "10 rows in 1 batch" in waiting.lines()[0].text
    waiting.see(BatchStarted(10, 5))
    assert not waiting.is_open
