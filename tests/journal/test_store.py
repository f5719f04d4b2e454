"""The store: groups as one transaction, and the order of one key's operations kept whatever their kinds."""

import asyncio
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch.journal import Journal, StoredAnswer, statements
from kaizen_batch.journal.store import Operation, _chunks, _rounds

KINDS = st.sampled_from([statements.LOOK_UP, statements.BEGIN, statements.DONE, statements.ENDED])


@given(st.lists(st.tuples(KINDS, st.integers(0, 4)), max_size=20))
def test_rounds_keep_the_order_of_each_key(given_operations: list[tuple[int, int]]) -> None:
    operations: list[Operation] = [(kind, bytes([key]), ()) for kind, key in given_operations]
    rounds = _rounds(operations)
    place_of = {place: number for number, places in rounds for place in places}
    assert sorted(place_of) == list(range(len(operations)))
    for place, (kind, key, _) in enumerate(operations):
        assert place_of[place] % 2 == (kind != statements.LOOK_UP)
        mine = [other for other in range(place + 1) if operations[other][1] == key]
        for earlier, later in pairwise(mine):
            both_read = operations[earlier][0] == operations[later][0] == statements.LOOK_UP
            assert place_of[earlier] < place_of[later] or (both_read and place_of[earlier] == place_of[later])


@given(st.integers(0, 1000))
def test_chunks_are_everything_in_order_and_of_few_sizes(size: int) -> None:
    chunks = list(_chunks(range(size)))
    assert [each for chunk in chunks for each in chunk] == list(range(size))
    assert all(len(chunk) % 8 == 0 for chunk in chunks[:-1]) and all(len(chunk) <= 128 for chunk in chunks)


async def test_a_group_is_one_transaction(path: Path) -> None:
    async with Journal(path).writing() as journal:
        before = journal.shared.store.commits
        await asyncio.gather(
            *(journal.done(bytes([n]) * 32, StoredAnswer("kept")) for n in range(20)),
            *(journal.begin(bytes([n]) * 32, item=n, request="{}") for n in range(20, 30)),
        )
        assert journal.shared.store.commits == before + 1
