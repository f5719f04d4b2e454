"""Agents whose calls the tests watch, and sinks that keep what they receive."""

import asyncio
from typing import Any

from kaizen_batch import BatchConfig, Event, EventSink, MockProvider, SinkOfRuns
from kaizen_batch.agents import create_agent


def model_agent(**mock: Any) -> Any:
    """A model agent over a mock provider with these options."""
    return create_agent(BatchConfig(llm_provider="mock"), None, MockProvider(**mock))


class Spy:
    """An async function that counts its concurrent calls, and can be set to fail or to take time."""

    def __init__(self, seconds: float = 0.01, failures: dict[Any, list[Exception]] | None = None) -> None:
        self.seconds = seconds
        self.failures = failures or {}
        self.inside = self.peak = self.started = self.cancelled = 0

    async def __call__(self, item: Any) -> dict[str, Any]:
        self.started += 1
        self.inside += 1
        self.peak = max(self.peak, self.inside)
        try:
            await asyncio.sleep(self.seconds)
            if self.failures.get(item):
                raise self.failures[item].pop(0)
            return {"item": item}
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.inside -= 1


class PerRun(SinkOfRuns):
    """Keeps the events of each run apart."""

    def __init__(self) -> None:
        self.runs: list[list[Event]] = []

    def for_run(self) -> EventSink:
        self.runs.append([])
        return self.runs[-1].append
