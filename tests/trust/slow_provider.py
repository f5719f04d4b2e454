"""A provider for the harnesses: a few milliseconds for each answer, and a count of calls and cancellations."""

import asyncio
from collections import Counter
from typing import Any

from kaizen_batch import Completion, Price, Provider, Usage


class Slow(Provider):
    """Repeats the prompt after a while."""

    def __init__(self, **options: Any) -> None:
        self.calls: Counter[str] = Counter()
        self.cancelled: Counter[str] = Counter()

    async def complete(self, request: Any) -> Completion:
        """One answer."""
        prompt = str(request.messages[-1]["content"])
        self.calls[prompt] += 1
        try:
            await asyncio.sleep(0.005)
        except asyncio.CancelledError:
            self.cancelled[prompt] += 1
            raise
        return Completion(f"answer to {prompt}", usage=Usage(5, 5))

    def price(self, model: str) -> Price:
        """What a million tokens cost."""
        return Price(1.0, 1.0)
