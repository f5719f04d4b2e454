"""async-batch-llm: `process_prompts`, as its README has it. https://github.com/geoff-davis/async-batch-llm"""

from async_batch_llm import ProcessorConfig, llm, process_prompts

from benchmarks.bare import MAX_TOKENS, MODEL, TEMPERATURE, prompts


async def batch(items: int, url: str, at_once: int) -> int:
    """Chat completions over HTTP."""
    spec, options = f"openai-compatible:{MODEL}", {"max_tokens": MAX_TOKENS}
    model = llm(spec, base_url=url, api_key="none", temperature=TEMPERATURE, generation_config=options)
    done = await process_prompts(model, list(prompts(items)), concurrency=at_once, preserve_order=True)
    answers = [result.output for result in done.results]
    assert all(answers)
    return len(answers)


async def limited(items: int, url: str, at_once: int, requests_per_minute: int | None) -> int:
    """Chat completions under a rate limit, which its processor keeps; items may fail."""
    spec, options = f"openai-compatible:{MODEL}", {"max_tokens": MAX_TOKENS}
    model = llm(spec, base_url=url, api_key="none", generation_config=options)
    config = ProcessorConfig(concurrency=at_once, max_requests_per_minute=requests_per_minute)
    return len((await process_prompts(model, list(prompts(items)), config=config)).results)
