"""Items as requests of a batch."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kaizen_batch.config import BatchSettings
from kaizen_batch.strategies.batches.requests import Renderer, chunks, in_groups, numbered

from .fake import BATCH, FakeBatches, World, agent_of


def renderer(path: Path) -> Renderer:
    world = World()
    return Renderer(agent_of(world, path), FakeBatches(world, BatchSettings()), BATCH)


def test_a_request_has_its_key_as_custom_id_and_its_worst_cost(path: Path) -> None:
    wanted = renderer(path).wanted(7, "hello")
    assert wanted is not None
    line = json.loads(wanted.encoded)
    assert line["custom_id"] == wanted.row.key.hex()
    assert line["body"]["messages"][-1]["content"] == "hello"
    assert (wanted.row.item, wanted.row.at_risk_usd) == (7, BATCH.at_most(len(wanted.row.request), 20))
    assert wanted.tokens == len(wanted.row.request) // 4 + 1


@pytest.mark.parametrize("item", [{"wrong": 1}, "half a pair \ud800"])
def test_what_cannot_be_asked_is_left_to_the_live_run(path: Path, item: object) -> None:
    assert renderer(path).wanted(0, item) is None


async def _items() -> AsyncIterator[object]:
    for number in range(5):
        yield number


async def test_items_of_either_kind_are_numbered() -> None:
    assert [each async for each in numbered(range(3))] == [(0, 0), (1, 1), (2, 2)]
    assert [each async for each in numbered(_items(), 2)] == [(0, 0), (1, 1)]
    assert [each async for each in numbered(iter("ab"), 5)] == [(0, "a"), (1, "b")]


async def test_requests_come_in_groups(path: Path) -> None:
    groups = [group async for group in in_groups(renderer(path), [f"{n}" for n in range(5)], 2)]
    assert [[wanted.row.item for wanted in group] for group in groups] == [[0, 1], [2, 3], [4]]


def test_chunks() -> None:
    assert list(chunks([b"1", b"2", b"3"], 2)) == [[b"1", b"2"], [b"3"]]
    assert list(chunks([], 2)) == []
