"""Our arms: the engine alone, over HTTP, and with every option."""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from benchmarks.bare import body_of, prompts
from kaizen_batch import (
    BatchConfig,
    BatchProcessorAgent,
    Completion,
    FileJob,
    ParallelBatchStrategy,
    Price,
    Provider,
    Request,
    Usage,
    progress_sink,
    run_job,
)
from kaizen_batch.agents import create_agent
from kaizen_batch.events import EventSink
from kaizen_batch.limits import rate
from kaizen_batch.providers.chat_responses import HttpResponse
from kaizen_batch.providers.http.base import Target
from kaizen_batch.providers.http.pool import PoolTransport

ANSWER = Completion(
    text="ok", usage=Usage(input_tokens=10, output_tokens=2), model=BatchConfig(llm_provider="mock").model
)
NO_LIMIT = 2_000_000_000
BUDGET_USD = 1e6


class NoOp(Provider):
    """Answers immediately, always the same."""

    async def complete(self, request: Request) -> Completion:
        """Return the answer."""
        return ANSWER


async def nothing(prompt: str) -> dict[str, Any]:
    """An agent that does nothing."""
    return {"result": prompt}


async def stream(agent: Any, config: BatchConfig, items: int, *, on_event: EventSink | None = None) -> int:
    """Stream one batch; every item must succeed, in order."""
    rows = ({"prompt": prompt} for prompt in prompts(items))
    done = 0
    async with ParallelBatchStrategy.from_config(config, on_event=on_event).stream(agent, rows) as run:
        async for result in run:
            assert result["index"] == done and result["status"] == "ok"
            done += 1
    assert done == items
    return items


async def function(items: int, at_once: int = 50) -> int:
    """An async function that does nothing."""
    return await stream(nothing, BatchConfig(llm_provider="mock", max_concurrent=at_once), items)


async def model(items: int, at_once: int = 50) -> int:
    """A signature and a provider that does nothing: everything except HTTP."""
    config = BatchConfig(llm_provider="mock", max_concurrent=at_once)
    return await stream(create_agent(config, provider=NoOp()), config, items)


def safety(folder: str | None) -> dict[str, Any]:
    """The safety options: limits and a budget that are never reached, and a journal if there is a folder."""
    return {
        "requests_per_minute": NO_LIMIT,
        "tokens_per_minute": NO_LIMIT,
        "budget_usd": BUDGET_USD,
        "price": Price(input=0.5, output=1.5),
        "journal": Path(folder) / "run.db" if folder else None,
    }


async def safe_model(items: int, at_once: int = 50) -> int:
    """The same with every option except the journal."""
    return await _safe_model(items, at_once, None)


async def safe_model_with_journal(items: int, at_once: int = 50) -> int:
    """The same with every option."""
    with tempfile.TemporaryDirectory() as folder:
        return await _safe_model(items, at_once, folder)


class Late(Provider):
    """Answers after a while, always the same."""

    def __init__(self, latency_s: float) -> None:
        self._latency_s = latency_s

    async def complete(self, request: Request) -> Completion:
        """Return the answer."""
        if self._latency_s:
            await asyncio.sleep(self._latency_s)
        return ANSWER


async def unkept(items: int, at_once: int, latency_s: float = 0.0) -> int:
    """A signature and a provider, without a journal."""
    config = BatchConfig(llm_provider="mock", max_concurrent=at_once)
    return await stream(create_agent(config, provider=Late(latency_s)), config, items)


async def kept(items: int, at_once: int, latency_s: float = 0.0, journal: str | None = None) -> int:
    """The same with a journal: a new one, or one that has all answers already."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(journal or Path(folder) / "run.db")
        config = BatchConfig(llm_provider="mock", max_concurrent=at_once, journal=path)
        return await stream(create_agent(config, provider=Late(latency_s)), config, items)


def job(items: int, at_once: int, keep: bool = False) -> int:
    """A job from one file of JSON Lines to another."""
    import uvloop

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.jsonl", Path(folder) / "out.jsonl"
        source.write_text("".join(f'{{"id":{number},"text":"ticket {number}"}}\n' for number in range(items)))
        config = BatchConfig(
            llm_provider="mock", max_concurrent=at_once, journal=Path(folder) / "run.db" if keep else None
        )
        agent = create_agent(config, provider=NoOp())
        uvloop.run(run_job(FileJob(source, target, template="Label {text}"), agent, config))
        assert len(target.read_bytes().splitlines()) == items
    return items


async def _safe_model(items: int, at_once: int, folder: str | None) -> int:
    config = BatchConfig(llm_provider="mock", max_concurrent=at_once, adaptive=True, **safety(folder))
    with quiet_progress() as sink:
        return await stream(create_agent(config, provider=NoOp()), config, items, on_event=sink)


@contextmanager
def quiet_progress() -> Iterator[EventSink]:
    """The progress display, writing to nowhere."""
    with Path(os.devnull).open("w") as nowhere, progress_sink("lines", stream=nowhere) as sink:
        yield sink


async def client(items: int, url: str, at_once: int) -> int:
    """Our HTTP client without the engine: encode, send, parse."""
    transport = PoolTransport(Target(url, "none", 120.0, at_once))
    source, done = prompts(items), 0

    async def work() -> None:
        nonlocal done
        for prompt in source:
            answered = await transport.post(body_of(prompt), _is_answered)
            done += answered

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(work())
    await transport.close()
    assert done == items
    return items


def _is_answered(answer: HttpResponse, sent: bytes) -> bool:
    return answer.status == 200 and bool(orjson.loads(answer.body)["choices"][0]["message"]["content"])


async def batch(items: int, url: str, at_once: int, **options: Any) -> int:
    """Run one batch over HTTP."""
    config = BatchConfig(base_url=url, max_concurrent=at_once, **options)
    return await stream(create_agent(config), config, items)


def on_uvloop(items: int, url: str, at_once: int) -> int:
    """The same on uvloop instead of asyncio's own loop."""
    import uvloop

    return uvloop.run(batch(items, url, at_once))  # as our synchronous calls and commands do


async def with_journal(items: int, url: str, at_once: int) -> int:
    """The same with a journal, a new one for each sample."""
    with tempfile.TemporaryDirectory() as folder:
        return await batch(items, url, at_once, journal=str(Path(folder) / "run.db"))


async def everything(items: int, url: str, at_once: int) -> int:
    """With a journal, both limits (never reached), a budget, a price and progress."""
    with tempfile.TemporaryDirectory() as folder, quiet_progress() as sink:
        config = BatchConfig(base_url=url, max_concurrent=at_once, **safety(folder))
        return await stream(create_agent(config), config, items, on_event=sink)


async def limited(items: int, url: str, at_once: int, minute_s: float, **options: Any) -> int:
    """Run one batch over HTTP under a rate limit; items may fail. `minute_s` is the length of a minute."""
    agent = _limited_agent(url, at_once, minute_s, options)
    rows = ({"prompt": prompt} for prompt in prompts(items))
    async with agent.stream(rows) as run:
        return len([result["status"] async for result in run])


async def one_by_one(items: int, url: str, at_once: int, minute_s: float, **options: Any) -> int:
    """The same, one `process_single` after another."""
    agent = _limited_agent(url, at_once, minute_s, options)
    for prompt in prompts(items):
        await asyncio.to_thread(agent.process_single, prompt)
    return items


def _limited_agent(url: str, at_once: int, minute_s: float, options: dict[str, Any]) -> BatchProcessorAgent:
    rate.MINUTE_S = minute_s
    return BatchProcessorAgent(BatchConfig(api_key="none", base_url=url, max_concurrent=at_once, **options))
