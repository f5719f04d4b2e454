"""Rows with an image each: the memory that a run takes, and the size of its journal.

    python -m benchmarks.images [--rows 10000] [--kilobytes 200]

The simulator runs in a process of its own. Each row is another image, written to a file just before it is asked and
deleted afterwards, so that the disk does not need to hold them all. Memory is the peak resident size of this process.
"""

import argparse
import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from kaizen_batch import BatchProcessorAgent, Image, InputField, OutputField, Signature
from tests.signature.pictures import png

_AHEAD = 500  # files that are kept: more than the rows under way


class Look(Signature):
    """Say what it is."""

    photo: Image = InputField()
    number: int = InputField()
    answer: str = OutputField()


def rows(folder: Path, count: int, size: int) -> Iterator[dict[str, object]]:
    """The rows, each with a file of its own."""
    picture = png(padding=size)
    for number in range(count):
        path = folder / f"{number}.png"
        path.write_bytes(picture[:60] + number.to_bytes(8, "big") + picture[68:])
        if number >= _AHEAD:
            (folder / f"{number - _AHEAD}.png").unlink()
        yield {"photo": path, "number": number}


async def run(base_url: str, folder: Path, count: int, size: int) -> int:
    """Ask about every row; how many were answered."""
    agent = BatchProcessorAgent(
        base_url=base_url, api_key="any", signature=Look, max_concurrent=50, journal=folder / "j.db"
    )
    answered = 0
    async with agent.stream(rows(folder, count, size)) as results:
        async for result in results:
            answered += result["status"] == "ok"
    return answered


def main() -> None:
    """Run it and print what it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--kilobytes", type=int, default=200)
    given = parser.parse_args()
    server = subprocess.Popen(
        [sys.executable, "-m", "kaizen_batch.simulator"], stdout=subprocess.PIPE, text=True, env={**os.environ}
    )
    try:
        assert server.stdout is not None
        base_url = server.stdout.readline().strip().partition("=")[2]
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            answered = asyncio.run(run(base_url, Path(folder), given.rows, given.kilobytes * 1000))
            seconds = time.perf_counter() - began
            journal = sum(path.stat().st_size for path in Path(folder).glob("j.db*")) / 2**20
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{answered:,} of {given.rows:,} rows with {given.kilobytes} kB each in {seconds:.0f} s")
        print(f"peak memory {peak:.0f} MB ({peak - before:.0f} MB above the start), journal {journal:.1f} MB")
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
