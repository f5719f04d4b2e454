"""What a journal costs: the same batch with and without one, over HTTP at 10 ms, 50 at once."""

import sys
import tempfile
from pathlib import Path

from benchmarks.harness import arm, compare, endpoint, median, report
from kaizen_batch import BatchConfig, ParallelBatchStrategy
from kaizen_batch.agents import create_agent

ITEMS = 5000


@arm
async def batch(url: str, items: int, with_journal: bool) -> int:
    """One batch of short prompts."""
    with tempfile.TemporaryDirectory() as folder:
        journal = str(Path(folder) / "run.db") if with_journal else None
        config = BatchConfig(api_key="none", base_url=url, max_concurrent=50, journal=journal)
        async with ParallelBatchStrategy.from_config(config).stream(
            create_agent(config), ({"prompt": f"item {n}: a line of text"} for n in range(items))
        ) as run:
            done = [result["status"] async for result in run]
    assert done == ["ok"] * items
    return items


def main(rounds: int = 5, items: int = ITEMS) -> None:
    """Both arms in turns."""
    with endpoint(latency_s=0.01) as url:
        samples = compare(
            "journal",
            [
                (label, "batch", {"url": url, "items": items, "with_journal": with_journal})
                for label, with_journal in (("without a journal", False), ("with a journal", True))
            ],
            rounds=rounds,
        )
    report("journal", samples, base="without a journal")
    cost = 1 - median(samples["with a journal"]) / median(samples["without a journal"])
    print(f"\nthe journal costs {cost:.1%} of the throughput (wanted: under 5%)")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
