"""What a batch run works on, and what it leaves."""

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple

from kaizen_batch.agents import Agent
from kaizen_batch.config import RunConfig
from kaizen_batch.journal.batches import Batch
from kaizen_batch.providers.batch import BatchApi

Input = Callable[[], AbstractContextManager[Iterable[object] | AsyncIterable[object]]]
"""Opens the items of a run, from the first; called more than once."""

Watch = Callable[[list[Batch]], object]
"""Called with the open batches after each look at them."""


def ignore(batches: list[Batch]) -> None:
    """Watches nothing."""


class Filled(NamedTuple):
    """What a batch run leaves: rows that are still `waiting` in batches, and since when failures are its own."""

    waiting: int
    since: float


@dataclass(frozen=True, slots=True)
class BatchJob:
    """What a batch run works on: `total` items, as far as that is known.

    `ask_live` asks the first items of the input, as many as it is told, right now; False if the run cannot go on.
    """

    agent: Agent
    config: RunConfig
    api: BatchApi
    items: Input
    ask_live: Callable[[int], Awaitable[bool]]
    total: int | None = None
    watch: Watch = ignore
