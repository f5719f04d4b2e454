"""LiteLLM: `acompletion` under a semaphore; its `batch_completion` is a thread pool for synchronous code.

https://docs.litellm.ai/docs/completion/stream#async-completion and https://docs.litellm.ai/docs/completion/batching
"""

import asyncio
import os

# Without it, the import tries three times to download a price list.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm

from benchmarks.bare import MAX_TOKENS, MODEL, TEMPERATURE, prompts


async def batch(items: int, url: str, at_once: int) -> int:
    """Chat completions over HTTP."""
    semaphore = asyncio.Semaphore(at_once)

    async def one(prompt: str) -> str:
        async with semaphore:
            response = await litellm.acompletion(
                model=f"openai/{MODEL}",
                messages=[{"role": "user", "content": prompt}],
                temperature=TEMPERATURE,
                max_tokens=MAX_TOKENS,
                api_key="none",
                api_base=url,
            )
        return str(response.choices[0].message.content)

    answers = await asyncio.gather(*(one(prompt) for prompt in prompts(items)))
    assert all(answers)
    return len(answers)
