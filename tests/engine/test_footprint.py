"""The memory of a value: all that it holds, each part once."""

from dataclasses import dataclass
from sys import getsizeof

import pytest

from kaizen_batch.engine.footprint import footprint
from kaizen_batch.files.rows import JsonRow
from kaizen_batch.results import ItemError, ItemResult

BIG = "x" * 100_000


@dataclass
class Plain:
    text: str


@pytest.mark.parametrize(
    "value",
    [
        BIG, [BIG], (BIG,), {BIG}, {"key": BIG}, {BIG: 1}, {"a": {"b": [BIG]}}, Plain(BIG), ItemResult(0, {"x": BIG}),
        ItemResult(0, {}, response=BIG), ItemResult(0, {}, ItemError("T", BIG, "c", True)), JsonRow({"a": 1}, BIG),
    ],
)  # fmt: skip
def test_a_large_text_counts_wherever_it_is(value: object) -> None:
    assert getsizeof(BIG) <= footprint(value) < getsizeof(BIG) + 2_000


def test_what_occurs_twice_or_in_itself_counts_once() -> None:
    ring: list[object] = [BIG, BIG]
    ring.append(ring)
    assert footprint(ring) < getsizeof(BIG) + 1_000


def test_a_value_may_say_what_it_takes() -> None:
    class Sharing:
        footprint = 12_345

    assert 12_345 < footprint([Sharing()]) < 13_000
