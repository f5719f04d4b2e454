"""The official SDK: one AsyncOpenAI for all, a semaphore, gather. https://github.com/openai/openai-python#async-usage"""

import asyncio

from openai import AsyncOpenAI

from benchmarks.bare import MAX_TOKENS, MODEL, TEMPERATURE, prompts


async def batch(items: int, url: str, at_once: int) -> int:
    """Chat completions over HTTP."""
    semaphore = asyncio.Semaphore(at_once)

    async def one(client: AsyncOpenAI, prompt: str) -> str | None:
        async with semaphore:
            completion = await client.chat.completions.create(
                model=MODEL,
                messages=[{"role": "user", "content": prompt}],
                temperature=TEMPERATURE,
                max_tokens=MAX_TOKENS,
            )
        return completion.choices[0].message.content

    async with AsyncOpenAI(api_key="none", base_url=url) as client:
        answers = await asyncio.gather(*(one(client, prompt) for prompt in prompts(items)))
    assert all(answers)
    return len(answers)
