"""Values on the disk by position: any order, any data, no name, and no harm where the disk fails."""

import os
import sys
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaizen_batch.engine.spill import Spill
from kaizen_batch.files.rows import ArrowBatch, ArrowRow, JsonRow, Row
from kaizen_batch.prices import Usage
from kaizen_batch.results import ItemError, ItemResult


@settings(max_examples=50, deadline=None)
@given(st.permutations(range(30)))
def test_values_come_back_whatever_the_order(order: list[int]) -> None:
    spill = Spill(Path("/tmp"))
    for position in order:
        assert spill.put(position + 1_000, ("value", position))
    assert spill.positions() == list(range(1_000, 1_030)) and len(spill) == 30
    for position in reversed(order):
        assert position + 1_000 in spill
        assert spill.take(position + 1_000) == ("value", position)
        assert position + 1_000 not in spill
    assert not spill and 5 not in spill


def test_the_file_has_no_name_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    spill = Spill(tmp_path)
    assert spill.put(0, "secret")
    assert list(tmp_path.iterdir()) == []
    assert spill._file is not None and os.fstat(spill._file.fileno()).st_mode & 0o777 == 0o600


def test_room_on_the_disk_is_given_back(tmp_path: Path) -> None:
    spill = Spill(tmp_path)
    for position in range(10):
        spill.put(position, b"x" * 10_000)
    for position in range(10):
        spill.take(position)
    assert spill._file is not None and os.fstat(spill._file.fileno()).st_size == 0


def test_results_and_rows_of_every_kind_survive(tmp_path: Path) -> None:
    row, text, arrow = Row(a=Decimal("1.0")), JsonRow({"a": 1}, '{"a": 1.0}'), arrow_row()
    for number, each in enumerate((row, text, arrow)):
        each.number, each.skipped = number, [row] if number else []
    result = ItemResult(3, {"x": [1]}, ItemError("E", "m", "c", True), "answer", usage=Usage(1, 2))
    spill = Spill(tmp_path)
    for position, each in enumerate((row, text, arrow)):
        assert spill.put(position, (result, each))
        back, found = spill.take(position)  # type: ignore[misc]
        assert back == result and found == each and type(found) is type(each)
        assert found.number == position and found.skipped == each.skipped and found.cells() == each.cells()
        assert getattr(found, "text", None) == getattr(each, "text", None)


def arrow_row() -> ArrowRow:
    batch = ArrowBatch(pa.record_batch({"a": list(range(1_000)), "b": ["x"] * 1_000}))
    return ArrowRow([("a", 7)], batch, 7)


def test_an_arrow_row_is_written_without_the_rest_of_its_batch(tmp_path: Path) -> None:
    row, spill = arrow_row(), Spill(tmp_path)
    row.number, row.skipped = 1, []
    assert row.footprint < 1_000
    spill.put(0, row)
    assert spill._ends < 3_000


def test_what_is_no_data_is_refused(tmp_path: Path) -> None:
    assert not Spill(tmp_path).put(0, lambda: None)
    assert not Spill(tmp_path).put(0, ReadsBadly())


class ReadsBadly:
    """Can be written, and not read again."""

    def __reduce__(self) -> tuple[object, ...]:
        return int, ("no number",)


def test_a_full_disk_is_no_error() -> None:
    if sys.platform != "linux":
        pytest.skip("/dev/full is Linux")
    spill = Spill(Path("/tmp"))
    spill._file = open("/dev/full", "w+b", buffering=0)  # noqa: SIM115, PTH123
    assert not spill.put(0, "value") and not spill
    spill._file.close()
