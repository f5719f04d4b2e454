"""Batch processing in one file: the classes to import, and a demo that needs no key.

    cd workflows && python workflow.py

In a program: `from workflow import BatchConfig, BatchProcessorAgent` in this folder, or the same names from
`kaizen_batch` anywhere.
"""

import asyncio
from time import perf_counter
from typing import Any

import click

from kaizen_batch import BatchConfig, BatchProcessorAgent, ParallelBatchStrategy, ProcessingSignature

__all__ = ["BatchConfig", "BatchProcessorAgent", "ParallelBatchStrategy", "ProcessingSignature"]

COMPARED = (1, 3, 5, 10)
LATENCY_S = 0.01


async def process(prompts: list[str], max_concurrent: int) -> tuple[list[dict[str, Any]], float]:
    """The results of these prompts, and the seconds it took; the mock answers each after 10 ms."""
    config = BatchConfig(llm_provider="mock", max_concurrent=max_concurrent, provider_options={"latency_s": LATENCY_S})
    agent = BatchProcessorAgent(config)
    began = perf_counter()
    results = await agent.process_batch([{"prompt": prompt} for prompt in prompts])
    return [dict(result) for result in results], perf_counter() - began


async def demo() -> None:
    """20 items at `max_concurrent` 5: time, throughput, three samples."""
    click.echo(f"Batch Processing Demo\n{'=' * 50}\n")
    click.echo("Processing 20 items with max_concurrent=5...")
    results, seconds = await process([f"Process document {number}" for number in range(20)], 5)
    click.echo(f"Completed {len(results)} items in {seconds:.3f}s")
    click.echo(f"Throughput: {len(results) / seconds:.1f} items/sec\n")
    click.echo("Sample results:")
    for number, result in enumerate(results[:3], 1):
        click.echo(f"  {number}. { {name: result[name] for name in ('result', 'index', 'status', 'batch')} }")


async def comparison() -> None:
    """10 items at `max_concurrent` 1, 3, 5 and 10."""
    click.echo(f"\nConcurrency Comparison\n{'=' * 50}")
    for max_concurrent in COMPARED:
        results, seconds = await process([f"Item {number}" for number in range(10)], max_concurrent)
        rate = len(results) / seconds
        click.echo(f"max_concurrent={max_concurrent:2d}: {len(results)} items in {seconds:.3f}s ({rate:.1f} items/sec)")


async def main() -> None:
    """The demo, then the comparison."""
    await demo()
    await comparison()


if __name__ == "__main__":
    asyncio.run(main())
