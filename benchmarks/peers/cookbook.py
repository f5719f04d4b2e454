"""The OpenAI cookbook's method, written anew, because it is a script and not a package.

Source: examples/api_request_parallel_processor.py in https://github.com/openai/openai-cookbook. Kept: requests from a
JSONL file, a loop that refills both capacities, starts at most one call a round, each in a task of its own, and sleeps
1 ms ("limits max throughput to 1,000 requests per second"); answers appended to a file that is opened for each; an
aiohttp session with its default of 100 connections. Left out, to its advantage: the count of tokens by tiktoken, the
log line for each request. It has no limit on calls at once; the capacities here never bind.
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
    """How many calls have begun and not ended, and how many of them ended well."""

    in_progress: int = 0
    succeeded: int = 0


@dataclass
class Capacity:
    """What a minute's limit leaves, refilled by the time that has gone by."""

    available: float = PER_MINUTE

    def refill(self, seconds: float) -> None:
        """Let so much time go by."""
        self.available = min(self.available + PER_MINUTE * seconds / 60.0, PER_MINUTE)


async def call(session: aiohttp.ClientSession, url: str, request: Any, save_to: Path, status: Status) -> None:
    """One call, and its answer on the disk."""
    async with session.post(url=url, headers={"Authorization": "Bearer none"}, json=request) as response:
        answer = await response.json()
    with save_to.open("a") as file:
        file.write(json.dumps([request, answer]) + "\n")
    status.in_progress -= 1
    status.succeeded += "choices" in answer


async def process(requests: Iterator[str], url: str, save_to: Path) -> Status:
    """The script's main loop."""
    status, calls, tokens, updated = Status(), Capacity(), Capacity(), time.time()
    tasks = set()  # the script leaves them to the collector
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
    """A JSONL file in, a JSONL file out."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "requests.jsonl"
        source.write_bytes(b"\n".join(map(body_of, prompts(items))))
        with source.open() as lines:
            status = await process(lines, f"{url}/chat/completions", Path(folder) / "results.jsonl")
    assert status.succeeded == items
    return items
