"""asyncio alone: one task per item, a semaphore, gather."""

import asyncio

from benchmarks.bare import prompts
from benchmarks.ours import nothing


async def gather(items: int, at_once: int) -> int:
    """The code that everybody writes first."""
    semaphore = asyncio.Semaphore(at_once)

    async def one(prompt: str) -> dict[str, str]:
        async with semaphore:
            return await nothing(prompt)

    return len(await asyncio.gather(*(one(prompt) for prompt in prompts(items))))
