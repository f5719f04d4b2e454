"""A shard as on a machine of its own: its disk is TMPDIR, and the run folder is on a drive that several machines share.

    TMPDIR=a python -m tests.distributed.machines FOLDER URL BEAT_S EXPIRES_S COPY_EVERY_S

The exit code is 0 if the shard is committed, 3 if another process has it; what is said then is on standard error.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kaizen_batch import BatchConfig, FileJob, JournalError
from kaizen_batch.agents import create_agent
from kaizen_batch.distributed import LocalFolder, Shard, Work, claims, copies, open_shard
from kaizen_batch.simulator import Simulator

BEAT_S, EXPIRES_S = 0.1, 1.0
ONLY = Shard(1, 1)


def shared(folder: Path) -> LocalFolder:
    """The run folder, as if on a network drive."""
    found = LocalFolder(folder / "out.csv.run")
    found.is_remote = True
    return found


def work_of(folder: Path, url: str) -> Work:
    """The job."""
    config = BatchConfig(base_url=url, api_key="any", max_concurrent=2)
    return Work(FileJob(folder / "in.csv", folder / "out.csv", template="{text}"), config, create_agent)


async def run(folder: Path, url: str) -> None:
    """Process the one shard. Raises: JournalError if another process has it."""
    shard, agent = await open_shard(shared(folder), work_of(folder, url), ONLY)
    assert (await shard.run(agent)).complete


def start(folder: Path, url: str, machine: str, copy_every_s: float = 30.0) -> "subprocess.Popen[str]":
    """A process on a machine of this name."""
    (folder / machine).mkdir(exist_ok=True)
    times = map(str, (BEAT_S, EXPIRES_S, copy_every_s))
    command = [sys.executable, "-m", "tests.distributed.machines", str(folder), url, *times]
    root = Path(__file__).parents[2]
    environment = {**os.environ, "TMPDIR": str(folder / machine)}
    return subprocess.Popen(command, cwd=root, env=environment, stderr=subprocess.PIPE, text=True)


def wait_for(simulator: Simulator, calls: int, process: "subprocess.Popen[str]") -> None:
    """Wait until the endpoint has had so many calls; the process must live until then."""
    until = time.monotonic() + 60
    while simulator.ledger.calls < calls:
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.01)


def main() -> int:
    """The script."""
    folder, url = Path(sys.argv[1]), sys.argv[2]
    claims.BEAT_S, claims.EXPIRES_S, copies.COPY_EVERY_S = map(float, sys.argv[3:])
    assert Path(tempfile.gettempdir()).parent == folder
    try:
        asyncio.run(run(folder, url))
    except JournalError as error:
        print(error.message, file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
