"""One run of the kill test: a batch with a journal, whose results are written to a file at the end.

kill_worker.py URL JOURNAL RESULTS ITEMS
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from kaizen_batch import BatchConfig, ParallelBatchStrategy, Price
from kaizen_batch.agents import create_agent

PRICE = {"input": 1.0, "output": 2.0}


def prompts(items: int) -> list[str]:
    """The batch; the same in every run."""
    return [f"item {number}: what is {number} times 7?" for number in range(items)]


async def run(url: str, journal: str, items: int) -> dict[str, Any]:
    """Run the batch and return all results and the summary."""
    config = BatchConfig(base_url=url, journal=Path(journal), max_concurrent=50, price=Price(**PRICE))
    result = await ParallelBatchStrategy.from_config(config).run_batch(create_agent(config), prompts(items))
    return {"results": result.results, "summary": result.summary.to_dict()}


if __name__ == "__main__":
    url, journal, results, items = sys.argv[1:]
    Path(results).write_text(json.dumps(asyncio.run(run(url, journal, int(items)))))
