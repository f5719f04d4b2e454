"""A job in batch mode is killed with SIGKILL at each of its steps, again and again, and loses and repeats nothing.

Each run is a fork of this process, so that it can die without a word; the endpoint, with its ledger, is in this one.
"""

import asyncio
import csv
import json
import os
import signal
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest

from kaizen_batch import BatchConfig, BatchProcessorAgent, FileJob, Journal, run_job
from kaizen_batch.agents import create_agent
from kaizen_batch.providers.openai_batches import OpenAIBatches
from kaizen_batch.simulator import Simulator
from kaizen_batch.strategies.batches import collecting
from kaizen_batch.strategies.batches.collecting import Collector
from kaizen_batch.strategies.batches.part import Part
from kaizen_batch.strategies.batches.steps import Steps

TEXTS = [f"row {number}" for number in range(40)]
SETTINGS = {"rows": 20, "live_first": 2, "poll_s": 0.02, "price": {"input": 0.5, "output": 1.0}}

# The step, and the method after (or before) whose n-th call the process dies.
STEPS: dict[str, tuple[type, str, int, bool]] = {
    "intent": (Part, "open", 1, True),
    "upload": (OpenAIBatches, "upload", 1, True),
    "create": (OpenAIBatches, "create", 1, True),
    "id saved": (Steps, "submitted", 1, True),
    "polling": (OpenAIBatches, "status", 1, False),
    "downloaded": (OpenAIBatches, "download", 1, True),
    "half collected": (Collector, "_commit", 2, False),
    "cancelled": (OpenAIBatches, "cancel", 1, True),
}

Run = Callable[[str, Path, dict[str, Any]], None]


def die_at(step: str) -> None:
    """Have this process killed at a step."""
    owner, name, nth, after = STEPS[step]
    collecting._LINES = 5
    method, calls = getattr(owner, name), 0

    async def deadly(self: Any, *values: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == nth and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        found = await method(self, *values, **options)
        if calls == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    setattr(owner, name, deadly)


def in_a_fork(action: Callable[[], object]) -> int:
    """The signal that killed a fork doing this, 0 if it came to its end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads: this one starts afresh
        child = os.fork()
    if child == 0:
        code = 1
        try:
            action()
            code = 0
        finally:
            os._exit(code)
    try:
        _, status = os.waitpid(child, 0)
    except BaseException:  # the test's time is over
        os.kill(child, signal.SIGKILL)
        raise
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the run failed"
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def options_of(url: str, folder: Path, more: dict[str, Any]) -> dict[str, Any]:
    batches = {**SETTINGS, **more.pop("batches", {})}
    given = {"base_url": url, "api_key": "any", "model": "gpt-4o-mini", "journal": folder / "run.db", "mode": "batch"}
    return {**given, "price": {"input": 1.0, "output": 2.0}, "batches": batches, **more}


def csv_to_csv(url: str, folder: Path, more: dict[str, Any]) -> None:
    config = BatchConfig(**options_of(url, folder, more))
    job = FileJob(folder / "in.csv", folder / "out.csv", template="{text}")
    asyncio.run(run_job(job, create_agent(config), config))


def jsonl_to_parquet(url: str, folder: Path, more: dict[str, Any]) -> None:
    config = BatchConfig(**options_of(url, folder, more))
    job = FileJob(folder / "in.jsonl", folder / "out.parquet", template="{text}")
    asyncio.run(run_job(job, create_agent(config), config))


def node(url: str, folder: Path, more: dict[str, Any]) -> None:
    found = BatchProcessorAgent(**options_of(url, folder, more)).execute(batch=TEXTS)
    (folder / "out.json").write_text(json.dumps([result["result"] for result in found["results"]]))


def answers(kind: Run, folder: Path) -> list[str]:
    if kind is csv_to_csv:
        with (folder / "out.csv").open(newline="") as file:
            return [row["result"] for row in csv.DictReader(file)]
    if kind is jsonl_to_parquet:
        return list(parquet.read_table(folder / "out.parquet")["result"].to_pylist())
    return list(json.loads((folder / "out.json").read_text()))


def inputs(folder: Path) -> None:
    (folder / "in.csv").write_text("text\n" + "\n".join(TEXTS) + "\n")
    (folder / "in.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))


def check(kind: Run, folder: Path, simulator: Simulator) -> None:
    assert answers(kind, folder) == [f"mock answer to: {text}" for text in TEXTS]
    assert set(simulator.ledger.billed_by_prompt().values()) == {1}
    totals = Journal(folder / "run.db").totals()
    assert (totals.at_risk_usd, totals.maybe_paid_twice) == (0.0, 0)
    assert totals.spent_usd == pytest.approx(simulator.ledger.usd)
    assert not (folder / "run.db.batches").exists()


KINDS = pytest.mark.parametrize("kind", [csv_to_csv, jsonl_to_parquet, node])


@KINDS
def test_killed_at_each_step_in_turn_every_row_is_right_and_billed_once(kind: Run, tmp_path: Path) -> None:
    inputs(tmp_path)
    with Simulator(price_input=1.0, price_output=2.0, batch_s=0.3) as simulator:
        for step in [name for name in STEPS if name != "cancelled"]:

            def run(step: str = step) -> None:
                die_at(step)
                kind(simulator.base_url, tmp_path, {})

            assert in_a_fork(run) == signal.SIGKILL, step
        assert in_a_fork(lambda: kind(simulator.base_url, tmp_path, {})) == 0
        check(kind, tmp_path, simulator)


@KINDS
def test_killed_after_a_cancellation_what_was_finished_is_kept(kind: Run, tmp_path: Path) -> None:
    inputs(tmp_path)
    with Simulator(price_input=1.0, price_output=2.0, batch_s=4.0) as simulator:

        def run() -> None:
            die_at("cancelled")
            kind(simulator.base_url, tmp_path, {"finish_by": 12.0})

        assert in_a_fork(run) == signal.SIGKILL
        assert in_a_fork(lambda: kind(simulator.base_url, tmp_path, {"finish_by": 12.0})) == 0
        check(kind, tmp_path, simulator)
        assert simulator.ledger.billed_by_mode()["batch"][0] < 38
