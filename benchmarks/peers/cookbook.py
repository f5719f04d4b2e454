"""The method of the OpenAI cookbook's script, rewritten, because it is not a package.

Source: examples/api_request_parallel_processor.py in https://github.com/openai/openai-cookbook. Kept: requests from a
JSONL file; a loop that refills both capacities, starts at most one call per iteration, each in its own task, and sleeps
1 ms ("limits max throughput to 1,000 requests per second"); answers appended to a file that is opened for each of them;
an aiohttp session with its default of 100 connections. Omitted, to its advantage: counting tokens with tiktoken, and
one log line per request. It has no limit on calls at once, and the capacities are never reached here.
"""

import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.bare import body_of, prompts

SLEEP_S = 0.001
PER_MINUTE = 1e9


@dataclass
class Status:
    """The number of calls in progress, and of those that succeeded."""

    in_progress: int = 0
    succeeded: int = 0


@dataclass
class Capacity:
    """The capacity left of a limit per minute, refilled as time passes."""

    available: float = PER_MINUTE

    def refill(self, seconds: float) -> None:
        """Refill for this much time."""
        self.available = min(self.available + PER_MINUTE * seconds / 60.0, PER_MINUTE)


async def call(session: aiohttp.ClientSession, url: str, request: Any, save_to: Path, status: Status) -> None:
    """Make one call and append its answer to the file."""
    async with session.post(url=url, headers={"Authorization": "Bearer none"}, json=request) as response:
        answer = await response.json()
    with save_to.open("a") as file:
        file.write(json.dumps([request, answer]) + "\n")
    status.in_progress -= 1
    status.succeeded += "choices" in answer


async def process(requests: Iterator[str], url: str, save_to: Path) -> Status:
    """The script's main loop."""
    status, calls, tokens, updated = Status(), Capacity(), Capacity(), time.time()
    tasks = set()  # the script does not keep them either
    async with aiohttp.ClientSession() as session:
        while True:
            line = next(requests, None)
            now = time.time()
            calls.refill(now - updated)
            tokens.refill(now - updated)
            updated = now
            if line is not None and min(calls.available, tokens.available) >= 1:
                status.in_progress += 1
                calls.available -= 1
                tokens.available -= len(line) / 4
                task = asyncio.create_task(call(session, url, json.loads(line), save_to, status))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            if status.in_progress == 0:
                return status
            await asyncio.sleep(SLEEP_S)


async def batch(items: int, url: str) -> int:
    """From a JSONL file to a JSONL file."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "requests.jsonl"
        source.write_bytes(b"\n".join(map(body_of, prompts(items))))
        with source.open() as lines:
            status = await process(lines, f"{url}/chat/completions", Path(folder) / "results.jsonl")
    assert status.succeeded == items
    return items
