"""Jobs on one Ray cluster: a node runs one by path; a shard that kills its workers fails alone; Ctrl-C drains workers.

python -m tests.distributed.ray_ends
"""

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import ray
from kailash.runtime.local import LocalRuntime
from kailash.workflow.builder import WorkflowBuilder

import kaizen_batch.nodes  # noqa: F401 - registers the node
from kaizen_batch import BatchConfig, FileJob, run_job
from kaizen_batch.agents import create_agent
from kaizen_batch.distributed import LocalFolder, merged_journal, shard_states
from kaizen_batch.distributed.ray_driver import Connected
from kaizen_batch.distributed.ray_executor import RayExecutor
from kaizen_batch.events import BatchProgress
from kaizen_batch.files.objects import open_object, upload
from kaizen_batch.journal import Journal
from kaizen_batch.simulator import Simulator
from tests.distributed.objects import s3

ROWS = 80


async def deadly(text: str) -> dict[str, str]:
    """An agent that kills its process at one row."""
    if text == "row 45":
        os._exit(9)
    return {"loud": text.upper()}


async def poison(folder: Path) -> list[str]:
    """The shard with the deadly row."""
    job = FileJob(folder / "in.csv", folder / "poison.csv")
    executor = RayExecutor(workers=2, retries=1)
    result = await run_job(job, deadly, BatchConfig(llm_provider="mock", max_concurrent=2), executor=executor)
    states = shard_states(LocalFolder(folder / "poison.csv.run"))
    written = (folder / "poison.partial.csv").read_text().count("ROW")
    checks = {
        "another shard failed": states["done"] != [1, 2, 3, 4, 6, 7, 8],
        "it is not named": result.summary.stopped is None
        or "shard 5: its worker died 2 times" not in result.summary.stopped,
        "rows of the others are missing": written != ROWS - 10,
        "it counts as complete": result.complete,
    }
    return [fault for fault, is_so in checks.items() if is_so]


async def interrupted(folder: Path) -> list[str]:
    """The driver is cancelled, as by Ctrl-C, while calls are in flight; then the job is run again."""
    with Simulator(latency_s=0.3) as simulator:
        config = BatchConfig(base_url=simulator.base_url, max_concurrent=4)
        job, executor = FileJob(folder / "in.csv", folder / "out.csv", template="{text}"), RayExecutor(workers=2)
        begun = asyncio.Event()
        progress: list[int] = []

        def on_event(event: object) -> None:
            if isinstance(event, BatchProgress):
                progress.append(event.done)
            if simulator.ledger.calls > 15:
                begun.set()

        running = asyncio.create_task(run_job(job, create_agent(config), config, executor=executor, on_event=on_event))
        await asyncio.wait({running, asyncio.create_task(begun.wait())}, return_when=asyncio.FIRST_COMPLETED)
        running.cancel()
        await asyncio.wait({running})
        calls = simulator.ledger.calls
        with merged_journal(LocalFolder(folder / "out.csv.run")) as path, Journal(path) as journal:
            totals, answered = journal.totals(), journal.count()["done"]
        states = shard_states(LocalFolder(folder / "out.csv.run"))
        was_written = (folder / "out.partial.csv").exists()
        result = await run_job(job, create_agent(config), config, executor=executor)
        checks = {
            "it was not cancelled": not running.cancelled(),
            "a call was cut off": totals.unanswered or answered != calls or not calls < ROWS,
            "a row was asked twice": simulator.ledger.billed != ROWS,
            "the second run is not complete": not result.complete,
            "the rows of no shard were written": bool(states["done"]) != was_written,
            "there was no progress": max(progress, default=0) == 0,
        }
    return [fault for fault, is_so in checks.items() if is_so]


def node(folder: Path) -> list[str]:
    """A node with `executor="ray"`, in a graph, twice; against the same node without it."""
    outputs, faults = [folder / "node.csv", folder / "alone.csv"], list[str]()
    with Simulator(latency_s=0.02) as simulator:
        common = {
            "endpoint": simulator.base_url,
            "input_path": str(folder / "in.csv"),
            "template": "{text}",
            "model": "m",
        }
        for output, more in zip(outputs, ({"executor": "ray", "workers": 2, "max_concurrent": 4}, {}), strict=True):
            builder = WorkflowBuilder()
            builder.add_node("BatchProcessorAgent", "ask", {**common, **more, "output_path": str(output)})
            for calls in (ROWS, 0) if more else (ROWS,):
                simulator.ledger.reset()
                with LocalRuntime() as runtime:
                    summary = runtime.execute(builder.build())[0]["ask"]["summary"]
                if (summary["ok"], summary["rows_written"], simulator.ledger.billed) != (ROWS, ROWS, calls):
                    faults.append(f"the node counts {summary}, and the endpoint {simulator.ledger.billed} calls")
    if outputs[0].read_bytes() != outputs[1].read_bytes():
        faults.append("the output of a node on Ray is another")
    return faults


def command(folder: Path, bucket: str, address: str) -> list[str]:
    """The command, twice, with everything in an object store; the second time makes no call."""
    faults = list[str]()
    with Simulator() as simulator:
        words = ["run", f"{bucket}/in.csv", "--prompt", "{text}", "--output", f"{bucket}/out.csv", "--progress", "none"]
        words += ["--executor", "ray", "--workers", "2", "--ray-address", address, "--base-url", simulator.base_url]
        upload(folder / "in.csv", f"{bucket}/in.csv")
        for _ in range(2):
            done = subprocess.run(
                [sys.executable, "-m", "kaizen_batch", *words], capture_output=True, text=True, timeout=120, check=False
            )
            if done.returncode or f"wrote     {ROWS} rows to {bucket}/out.csv" not in done.stderr:
                faults.append(f"the command ended with {done.returncode}: {done.stderr[-1000:]}")
        if simulator.ledger.billed != ROWS:
            faults.append(f"the command made {simulator.ledger.billed} calls")
        job = FileJob(folder / "in.csv", folder / "single.csv", template="{text}")
        config = BatchConfig(base_url=simulator.base_url)
        asyncio.run(run_job(job, create_agent(config), config))
    with open_object(f"{bucket}/out.csv") as stream:
        if stream.read() != (folder / "single.csv").read_bytes():
            faults.append("the output of the command is another")
    return faults


def main() -> int:
    """The script."""
    os.environ.update({"OPENAI_API_KEY": "sk-any", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in.csv").write_text("text\n" + "".join(f"row {number}\n" for number in range(ROWS)))
        with s3() as (bucket, environment):
            os.environ.update(environment)
            with Connected(ray, None, 2):
                address = ray.get_runtime_context().gcs_address
                faults = [*command(folder, bucket, address), *node(folder)]
                faults += [*asyncio.run(poison(folder)), *asyncio.run(interrupted(folder))]
    print("\n".join(f"FAULT: {fault}" for fault in faults) or "held")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
