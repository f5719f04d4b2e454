"""A million items in constant memory."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import asyncio
from pathlib import Path
from kaizen_batch import BatchConfig, MockProvider, ParallelBatchStrategy
from kaizen_batch.agents import create_agent

async def main():
    agent = create_agent(BatchConfig(llm_provider="mock"))
    rows = ({"prompt": f"row {n}"} for n in range(1_000_000))
    async for result in ParallelBatchStrategy(50).stream(agent, rows):
        assert result["result"] == f"mock answer to: row {result['index']}"
    return result["index"]

assert asyncio.run(main()) == 999_999
# Not ru_maxrss: after fork and exec, it still includes the size of the parent process.
print(next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from Linux's /proc")
def test_a_stream_of_a_million_items_peaks_under_120_mb() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    kilobytes = int(done.stdout)
    assert kilobytes < 120 * 1024
