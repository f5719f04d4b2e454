"""Our arms: the engine alone, over HTTP, and with everything on."""

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp  # noqa: F401 - the engine takes it on first use; every arm has its client imported before the start

from benchmarks.bare import prompts
from kaizen_batch import BatchConfig, Completion, Event, ParallelBatchStrategy, Price, Provider, Request, Usage
from kaizen_batch.agents import create_agent
from kaizen_batch.events import EventSink

ANSWER = Completion(text="ok", usage=Usage(input_tokens=10, output_tokens=2), model="nothing")
NO_LIMIT = 2_000_000_000
BUDGET_USD = 1e6


class NoOp(Provider):
    """Answers at once, the same to everybody."""

    async def complete(self, request: Request) -> Completion:
        """The one answer."""
        return ANSWER


async def nothing(prompt: str) -> dict[str, Any]:
    """An agent that does nothing."""
    return {"result": prompt}


async def stream(agent: Any, config: BatchConfig, items: int, *, on_event: EventSink | None = None) -> int:
    """One batch, streamed; every item must come back, in order, and succeed."""
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
    """A signature in front of a provider that does nothing: an item's whole way but for the wire."""
    config = BatchConfig(llm_provider="mock", max_concurrent=at_once)
    return await stream(create_agent(config, provider=NoOp()), config, items)


async def batch(items: int, url: str, at_once: int, **options: Any) -> int:
    """One batch over HTTP."""
    config = BatchConfig(base_url=url, max_concurrent=at_once, **options)
    return await stream(create_agent(config), config, items)


async def with_journal(items: int, url: str, at_once: int) -> int:
    """The same with a journal, a new one each time."""
    with tempfile.TemporaryDirectory() as folder:
        return await batch(items, url, at_once, journal=str(Path(folder) / "run.db"))


async def everything(items: int, url: str, at_once: int) -> int:
    """Journal, both limits (which do not bind), budget, price, and a sink that sees every event."""
    seen: Counter[str] = Counter()

    def note(event: Event) -> None:
        seen[type(event).__name__] += 1

    with tempfile.TemporaryDirectory() as folder:
        config = BatchConfig(
            base_url=url,
            max_concurrent=at_once,
            journal=Path(folder) / "run.db",
            requests_per_minute=NO_LIMIT,
            tokens_per_minute=NO_LIMIT,
            budget_usd=BUDGET_USD,
            price=Price(input=0.5, output=1.5),
        )
        done = await stream(create_agent(config), config, items, on_event=note)
    assert seen["ItemFinished"] == items
    return done
