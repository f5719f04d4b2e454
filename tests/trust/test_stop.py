"""Ctrl-C and SIGTERM, as real signals to real processes: no new call, and calls in flight finish and are saved."""

import re
import signal
from pathlib import Path

import pytest

from kaizen_batch.simulator import Simulator
from tests.trust.kill_processes import end_of, heard, kept, script, wait_until

RUN = "asyncio.run(strategy.run_batch(agent, ITEMS))"
RAISED = re.compile(r"^[\w.]*(?:Error|Exception|Group|Interrupt|Exit)\b", re.MULTILINE)
PYTHONS_OWN = {"asyncio.exceptions.CancelledError", "KeyboardInterrupt"}
CODES = {signal.SIGINT: (-signal.SIGINT, 128 + signal.SIGINT), signal.SIGTERM: (-signal.SIGTERM, 128 + signal.SIGTERM)}
both = pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


@both
def test_a_signal_starts_no_new_call_and_saves_those_in_flight(stop: signal.Signals, journal: Path) -> None:
    with Simulator(latency_s=1) as simulator, script(RUN, simulator.base_url, journal) as process:
        wait_until(lambda: simulator.ledger.in_flight == 5)
        sent = simulator.ledger.calls + 5
        process.send_signal(stop)
        code, errors = end_of(process)
        assert simulator.ledger.calls == simulator.ledger.billed == sent
        assert kept(journal) == {"done": sent}
    assert code in CODES[stop]
    saved = {
        signal.SIGINT: f"the answers so far are saved in '{journal}': run the same program again to resume",
        signal.SIGTERM: f"{sent} items of this run are done and saved: run the same batch with journal='{journal}'",
    }
    assert saved[stop] in errors
    assert set(RAISED.findall(errors)) <= (PYTHONS_OWN if stop == signal.SIGINT else set()), errors
    assert errors.rstrip().endswith("KeyboardInterrupt") == (stop == signal.SIGINT)
    assert "never retrieved" not in errors and "was destroyed" not in errors


@both
def test_the_next_run_requests_only_what_the_interrupted_run_left(stop: signal.Signals, journal: Path) -> None:
    with Simulator(latency_s=0.2) as simulator:
        with script(RUN, simulator.base_url, journal) as process:
            wait_until(lambda: simulator.ledger.billed >= 20)
            process.send_signal(stop)
            end_of(process)
        with script(RUN, simulator.base_url, journal) as process:
            assert end_of(process, 60) == (0, "")
        assert set(simulator.ledger.billed_by_prompt().values()) == {1}
        assert simulator.ledger.calls == 60


@both
def test_a_second_signal_ends_at_once_and_the_journal_has_the_calls_in_flight(
    stop: signal.Signals, journal: Path
) -> None:
    patient = f"strategy = ParallelBatchStrategy.from_config(config.with_options(grace_s=100), on_event=tell)\n{RUN}"
    with Simulator(latency_s=100) as simulator, script(patient, simulator.base_url, journal) as process:
        wait_until(lambda: simulator.ledger.in_flight == 5)
        process.send_signal(stop)
        heard(process, "stopping")
        process.send_signal(stop)
        code, _ = end_of(process, 50)  # less than the grace period
    assert code in CODES[stop]
    # Python raises the second Ctrl-C anywhere, perhaps while the journal notes that a queued call was not sent. Such a
    # row stays in flight, so the journal may count too much, but never too little.
    left = kept(journal)
    assert left.keys() <= {"in_flight", "unknown"}
    assert 5 <= sum(left.values()) <= 10


@both
def test_without_a_journal_a_signal_ends_at_once(stop: signal.Signals) -> None:
    with Simulator(latency_s=60) as simulator, script(RUN, simulator.base_url, None) as process:
        wait_until(lambda: simulator.ledger.in_flight == 5)
        process.send_signal(stop)
        assert end_of(process, 8)[0] in CODES[stop]


def test_calls_that_hang_are_cancelled_after_the_grace_period(journal: Path) -> None:
    body = RUN.replace("strategy.", "ParallelBatchStrategy.from_config(config.with_options(grace_s=0.5)).")
    with Simulator(latency_s=60) as simulator, script(body, simulator.base_url, journal) as process:
        wait_until(lambda: simulator.ledger.in_flight == 5)
        process.send_signal(signal.SIGTERM)
        assert end_of(process, 10.5)[0] in CODES[signal.SIGTERM]
    assert kept(journal) == {"unknown": 5}


def test_a_user_handler_for_sigterm_is_left_alone(journal: Path) -> None:
    body = f"""
def mine(*_):
    say("mine")
signal.signal(signal.SIGTERM, mine)
{RUN}
assert signal.getsignal(signal.SIGTERM) is mine
"""
    with Simulator(latency_s=0.1) as simulator, script(body, simulator.base_url, journal) as process:
        wait_until(lambda: simulator.ledger.in_flight == 5)
        process.send_signal(signal.SIGTERM)
        heard(process, "mine")
        assert end_of(process) == (0, "")
        assert simulator.ledger.billed == 60


def test_the_run_restores_the_handler_of_sigterm(journal: Path) -> None:
    body = f"{RUN}\nassert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL\nsay('over')\nsignal.pause()"
    with Simulator() as simulator, script(body, simulator.base_url, journal) as process:
        heard(process, "over")
        process.send_signal(signal.SIGTERM)
        assert end_of(process) == (-signal.SIGTERM, "")


def test_sigterm_while_the_reader_is_busy_is_raised_at_its_next_read(journal: Path) -> None:
    body = """
import os
async def main():
    async for result in strategy.stream(agent, ITEMS):
        say(f"read {result['index']}")
        if result["index"] == 0:
            await asyncio.sleep(1.2)  # others are done meanwhile, and wait to be read
            os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0.1)
asyncio.run(main())
"""
    with Simulator(latency_s=0.5) as simulator, script(body, simulator.base_url, journal) as process:
        output, errors = process.communicate(timeout=20)
        assert kept(journal) == {"done": simulator.ledger.billed}
    assert process.returncode == 128 + signal.SIGTERM and "Traceback" not in errors
    assert [line for line in output.splitlines() if line != "stopping"] == ["read 0"]
