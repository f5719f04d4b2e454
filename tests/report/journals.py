"""Journals worth looking at: `python -m tests.report.journals run.db report.html` writes both."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kaizen_batch import BatchConfig, BatchResult, ParallelBatchStrategy
from kaizen_batch.agents import create_agent
from kaizen_batch.report import write_report
from kaizen_batch.simulator import Reply, Simulator

COMMAND = "kaizen-batch run tickets.csv answers.csv --model gpt-4o-mini --journal run.db"
NASTY = (
    "<script>document.title = 'owned'</script>",
    "</script><img src=x onerror=\"document.title='owned'\">",
    "[a link](javascript:document.title='owned') and <a href=\"javascript:void(0)\">another</a>",
    "\u202eright to left, \u2028a separator, \x00a zero, &amp; an entity, {{ 7 * 7 }} ]]> --> <!--",
)
_TEXT = "The parcel came late and the invoice names a sum that nobody here agreed to. " * 30


def tickets(number: int) -> Iterator[Any]:
    """Prompts of several lengths, nasty ones first; each 500th row lacks its prompt."""
    for n in range(number):
        if n % 500 == 499:
            yield {"text": "a row without a prompt"}
        else:
            length = 330 + n * 37 % 300 if n % 40 else 2000
            yield NASTY[n] if n < len(NASTY) else f"Which team answers ticket {n}? {_TEXT[:length]}"


async def ask(simulator: Simulator, journal: Path, items: int, **options: Any) -> BatchResult:
    """A run over the tickets, its results and summary."""
    given = {
        "model": "gpt-4o-mini",
        "base_url": simulator.base_url,
        "api_key": "sk-not-to-be-seen",
        "journal": journal,
        "max_concurrent": 40,
        "price": {"input": 0.15, "output": 0.6},
        "retry": {"wait_initial": 0.02, "wait_max": 0.2, "attempts": 1},
        "labels": {"command": COMMAND, "input": "tickets.csv", "output": "answers.csv"},
        **options,
    }
    config = BatchConfig(**given)
    return await ParallelBatchStrategy.from_config(config).run_batch(create_agent(config, None), list(tickets(items)))


async def make_journal(path: Path, items: int = 2000) -> list[BatchResult]:
    """Two runs with faults, throttles and a brown-out: the first ends with its budget, the second goes on."""
    faults = {"rate_429": 0.01, "rate_500": 0.06, "rate_torn": 0.01, "rate_bad_json": 0.01}
    with Simulator(
        latency_s=0.05, latency_sigma=0.5, brownout=(items / 1500, items / 900, 6.0), seed=7, **faults
    ) as simulator:
        first = await ask(simulator, path, items, budget_usd=items * 4e-5)
        return [first, await ask(simulator, path, items, budget_usd=1.0)]


def one_run(path: Path, items: int, replies: list[Reply], **options: Any) -> Path:
    """The journal of one run whose first calls get these replies."""
    with Simulator(latency_s=0.005) as simulator:
        simulator.reply_with(*replies)
        asyncio.run(ask(simulator, path, items, **options))
    return path


def cut_off() -> Reply:
    """An answer that max_tokens has cut off."""
    message = {"role": "assistant", "content": "The invoice of last"}
    choice = {"index": 0, "message": message, "finish_reason": "length"}
    usage = {"prompt_tokens": 12, "completion_tokens": 4, "total_tokens": 16}
    return Reply(body={"id": "x", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage})


if __name__ == "__main__":
    database, report = map(Path, sys.argv[1:])
    asyncio.run(make_journal(database))
    print(write_report(database, report))
