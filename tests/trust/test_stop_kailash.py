"""Ctrl-C, SIGTERM and cancellation through Kailash's runtimes: calls in flight finish and are saved."""

import asyncio
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from kailash.runtime.async_local import AsyncLocalRuntime
from kailash.runtime.local import LocalRuntime
from kailash.workflow.graph import Workflow

from kaizen_batch import BatchProcessorAgent
from kaizen_batch.simulator import Simulator
from tests.trust.kill_processes import end_of, kept, script, wait_until

HEAD = """
from kailash.runtime.local import LocalRuntime
from kailash.workflow.builder import WorkflowBuilder
from kaizen_batch import BatchProcessorAgent
builder = WorkflowBuilder()
builder.add_node("BatchProcessorAgent", "batch", {"endpoint": url, "journal": journal, "max_concurrent": 5})

def execute():
    with LocalRuntime(enable_monitoring=False) as runtime:
        results, _ = runtime.execute(builder.build(), parameters={"batch": {"batch": ITEMS}})
        assert [result["result"] for result in results["batch"]["results"]] == [f"mock answer to: {i}" for i in ITEMS]
"""
RUN = f"{HEAD}\nexecute()"
IN_A_LOOP = f"""{HEAD}
async def main():
    execute()
asyncio.run(main())
"""
CODES = {signal.SIGINT: (-signal.SIGINT, 130), signal.SIGTERM: (-signal.SIGTERM, 143)}


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_under_local_runtime_saves_what_is_in_flight_and_nothing_is_paid_twice(
    stop: signal.Signals, journal: Path
) -> None:
    with Simulator(latency_s=1) as simulator, script(RUN, simulator.base_url, journal) as process:
        wait_until(lambda: simulator.ledger.in_flight == 5)
        sent = simulator.ledger.calls + 5
        process.send_signal(stop)
        code, errors = end_of(process)
        wait_until(lambda: simulator.ledger.in_flight == 0)
        assert simulator.ledger.calls == sent
        assert code in CODES[stop]
        how = "the answers so far are saved in " if stop == signal.SIGINT else "run the same batch with journal="
        assert f"{how}'{journal}'" in errors
        assert kept(journal) == {"done": sent}


@pytest.mark.parametrize(("stop", "most"), [(signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGKILL, 10)])
def test_a_second_execution_under_local_runtime_requests_only_what_is_not_saved(
    stop: signal.Signals, most: int, journal: Path
) -> None:
    with Simulator(latency_s=0.2) as simulator:
        with script(RUN, simulator.base_url, journal) as process:
            wait_until(lambda: simulator.ledger.billed >= 20)
            process.send_signal(stop)
            end_of(process)
        wait_until(lambda: simulator.ledger.in_flight == 0)
        lost = simulator.ledger.billed - kept(journal)["done"]
        with script(RUN, simulator.base_url, journal) as process:
            assert end_of(process, 60)[0] == 0
        assert simulator.ledger.billed == 60 + lost and lost <= most


@pytest.mark.parametrize("stops", [[signal.SIGTERM], [signal.SIGINT, signal.SIGINT]])
def test_an_interrupted_execution_inside_a_running_loop_resumes_where_it_stopped(
    stops: list[signal.Signals], journal: Path
) -> None:
    # Kailash runs it in a thread, where Python delivers no signals, and blocks the loop that would handle the first
    # Ctrl-C. So the process ends as if it were killed, and only the journal remains.
    with Simulator(latency_s=0.5) as simulator:
        with script(IN_A_LOOP, simulator.base_url, journal) as process:
            wait_until(lambda: simulator.ledger.billed >= 10)
            for stop in stops:
                process.send_signal(stop)
                threading.Event().wait(0.2)  # two of a kind at once would be one
            assert end_of(process)[0] in CODES[stop]
        wait_until(lambda: simulator.ledger.in_flight == 0)
        lost = simulator.ledger.billed - kept(journal)["done"]
        with script(RUN, simulator.base_url, journal) as process:
            assert end_of(process, 60)[0] == 0
        assert simulator.ledger.billed == 60 + lost and lost <= 10  # in flight, or on the way to the disk


def workflow_of(simulator: Simulator, journal: Path) -> Any:
    workflow = Workflow(workflow_id="stop", name="stop")
    batch = [f"item {n}" for n in range(60)]
    workflow.add_node("batch", BatchProcessorAgent(endpoint=simulator.base_url, journal=journal, batch=batch))
    return workflow


async def test_a_cancelled_task_under_async_local_runtime_saves_what_is_in_flight(journal: Path) -> None:
    with Simulator(latency_s=0.5) as simulator:
        workflow = workflow_of(simulator, journal)
        async with AsyncLocalRuntime(execution_timeout=0) as runtime:
            task = asyncio.create_task(runtime.execute_workflow_async(workflow, inputs={}))
            await asyncio.to_thread(wait_until, lambda: simulator.ledger.in_flight == 10)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert simulator.ledger.in_flight == 0
        assert kept(journal) == {"done": simulator.ledger.billed}


async def test_under_local_runtime_inside_a_running_loop_a_journal_also_works(journal: Path) -> None:
    with Simulator() as simulator:
        workflow = workflow_of(simulator, journal)
        for calls in (60, 0):
            with LocalRuntime(enable_monitoring=False) as runtime:
                results, _ = runtime.execute(workflow)
            assert results["batch"]["summary"]["calls"] == calls
        assert simulator.ledger.billed == 60 == kept(journal)["done"]
