"""LangChain: `abatch` with `max_concurrency` in the config.

https://reference.langchain.com/python/langchain-core/runnables/base/Runnable/abatch
"""

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
