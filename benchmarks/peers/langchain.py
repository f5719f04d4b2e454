"""LangChain: `abatch` with `max_concurrency` in the config.

https://reference.langchain.com/python/langchain-core/runnables/base/Runnable/abatch
"""

from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_openai import ChatOpenAI

from benchmarks.bare import MAX_TOKENS, MODEL, TEMPERATURE, prompts
from benchmarks.ours import nothing


async def function(items: int, at_once: int) -> int:
    """An agent that does nothing."""
    chain = RunnableLambda(nothing)
    return len(await chain.abatch(list(prompts(items)), config=RunnableConfig(max_concurrency=at_once)))


async def batch(items: int, url: str, at_once: int) -> int:
    """Chat completions over HTTP."""
    model = ChatOpenAI(
        model=MODEL, temperature=TEMPERATURE, max_tokens=MAX_TOKENS, api_key="none", base_url=url, max_retries=2
    )
    answers = await model.abatch(list(prompts(items)), config=RunnableConfig(max_concurrency=at_once))
    assert all(answer.content for answer in answers)
    return len(answers)


async def limited(items: int, url: str, at_once: int, requests_per_minute: int | None) -> int:
    """Chat completions under a rate limit, with the rate limiter of LangChain; items may fail."""
    limiter = InMemoryRateLimiter(requests_per_second=requests_per_minute / 60) if requests_per_minute else None
    model = ChatOpenAI(model=MODEL, max_tokens=MAX_TOKENS, api_key="none", base_url=url, rate_limiter=limiter)
    config = RunnableConfig(max_concurrency=at_once)
    return len(await model.abatch(list(prompts(items)), config=config, return_exceptions=True))
