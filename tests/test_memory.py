"""A million items in constant memory."""

import subprocess
import sys

SCRIPT = """
import asyncio, resource
from kaizen_batch import BatchConfig, MockProvider, ParallelBatchStrategy
from kaizen_batch.agents import create_agent

async def main():
    agent = create_agent(BatchConfig(llm_provider="mock"))
    rows = ({"prompt": f"row {n}"} for n in range(1_000_000))
    async for result in ParallelBatchStrategy(50).stream(agent, rows):
        assert result["result"] == f"mock answer to: row {result['index']}"
    return result["index"]

assert asyncio.run(main()) == 999_999
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_a_stream_of_a_million_items_peaks_under_120_mb() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    kilobytes = int(done.stdout)
    assert kilobytes < 120 * 1024
