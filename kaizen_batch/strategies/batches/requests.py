"""Items as requests that a batch can hold."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

from kaizen_batch.agents import Agent, prepared
from kaizen_batch.errors import KaizenBatchError
from kaizen_batch.journal.canonical import key_of, stored_request
from kaizen_batch.journal.records import BatchRow
from kaizen_batch.prices import Price
from kaizen_batch.providers.batch import BatchApi

_BYTES_PER_TOKEN = 4  # of a prompt; providers count what is enqueued by an estimate of their own


class Wanted(NamedTuple):
    """One request: what the journal keeps of it, its line in a file, and the tokens of its prompt."""

    row: BatchRow
    encoded: bytes
    tokens: int


class Renderer:
    """Makes requests of items, as a live run would make them."""

    def __init__(self, agent: Agent, api: BatchApi, price: Price | None) -> None:
        self._agent = agent
        self._api = api
        self._price = price

    def wanted(self, index: int, inputs: Any) -> Wanted | None:
        """The request of an item; None for one that a live run must report as failed."""
        agent = self._agent
        try:
            request = prepared(agent, inputs)
            body = agent.body(request)
            key = key_of(agent.canonical(request))
            encoded = self._api.encoded(key, agent.batch_body(request))
            most = (
                0.0
                if self._price is None
                else self._price.at_most(agent.size(request, body)[0], agent.max_output(request) or 0)
            )
            row = BatchRow(key, index, stored_request(body)[0], most)
            return Wanted(row, encoded, len(body) // _BYTES_PER_TOKEN + 1)
        except (KaizenBatchError, UnicodeError):
            return None


async def numbered(
    items: Iterable[object] | AsyncIterable[object], most: int | None = None
) -> AsyncIterator[tuple[int, object]]:
    """The items of either kind, at most so many, with their places."""
    index = 0
    if not isinstance(items, AsyncIterable):
        for index, item in enumerate(islice(items, most)):
            yield index, item
        return
    async for item in items:
        if index == most:
            break
        yield index, item
        index += 1


async def in_groups(
    renderer: Renderer, items: Iterable[object] | AsyncIterable[object], size: int
) -> AsyncIterator[list[Wanted]]:
    """The requests of all items, so many at a time."""
    group: list[Wanted] = []
    async for index, item in numbered(items):
        wanted = renderer.wanted(index, item)
        if wanted is not None:
            group.append(wanted)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def chunks(lines: Iterable[bytes], size: int) -> Iterator[list[bytes]]:
    """Lines, so many at a time."""
    group: list[bytes] = []
    for each in lines:
        group.append(each)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
