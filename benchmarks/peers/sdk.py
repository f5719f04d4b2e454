"""The official SDK: one AsyncOpenAI for all, a semaphore, gather; over its own HTTP client, or over aiohttp.

https://github.com/openai/openai-python#async-usage and #with-aiohttp
"""

import asyncio
from contextlib import suppress

from openai import AsyncOpenAI, DefaultAioHttpClient, OpenAIError
from openai.types.chat import ChatCompletionUserMessageParam

from benchmarks.bare import MAX_TOKENS, MODEL, TEMPERATURE, prompts


async def batch(items: int, url: str, at_once: int) -> int:
    """Chat completions over HTTP, with the SDK's defaults."""
    async with AsyncOpenAI(api_key="none", base_url=url) as client:
        return await _gather(client, items, at_once)


async def over_aiohttp(items: int, url: str, at_once: int) -> int:
    """The same over aiohttp, which its documentation recommends for many calls at once."""
    async with AsyncOpenAI(api_key="none", base_url=url, http_client=DefaultAioHttpClient()) as client:
        return await _gather(client, items, at_once)


async def limited(items: int, url: str, at_once: int, requests_per_minute: int | None) -> int:
    """Chat completions under a rate limit, of which the SDK knows nothing but the 429s; items may fail."""
    semaphore = asyncio.Semaphore(at_once)

    async def one(client: AsyncOpenAI, prompt: str) -> None:
        message: ChatCompletionUserMessageParam = {"role": "user", "content": prompt}
        async with semaphore:
            with suppress(OpenAIError):
                await client.chat.completions.create(model=MODEL, messages=[message], max_tokens=MAX_TOKENS)

    async with AsyncOpenAI(api_key="none", base_url=url) as client:
        await asyncio.gather(*(one(client, prompt) for prompt in prompts(items)))
    return items


async def _gather(client: AsyncOpenAI, items: int, at_once: int) -> int:
    semaphore = asyncio.Semaphore(at_once)

    async def one(prompt: str) -> str | None:
        async with semaphore:
            completion = await client.chat.completions.create(
                model=MODEL,
                messages=[{"role": "user", "content": prompt}],
                temperature=TEMPERATURE,
                max_tokens=MAX_TOKENS,
            )
        return completion.choices[0].message.content

    answers = await asyncio.gather(*(one(prompt) for prompt in prompts(items)))
    assert all(answers)
    return len(answers)
