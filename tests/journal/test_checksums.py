"""Checksums: cells come back from the file intact, and any change of one is damage."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch.journal import StoredAnswer
from kaizen_batch.journal.checksums import as_bytes, as_text, input_row_checksum, is_intact, is_row_intact, row_checksum
from kaizen_batch.journal.records import answer_columns

KEY = b"k" * 32
CELLS = st.lists(st.none() | st.text(st.characters()) | st.integers(0, 2**53) | st.binary() | st.floats(0, 1e9))


@given(CELLS)
def test_a_row_is_intact_as_the_file_gives_it_back(cells: list[Any]) -> None:
    check = row_checksum(cells)
    assert is_row_intact([as_bytes(cell) for cell in cells], check)
    assert is_row_intact([float(cell) if type(cell) is int else cell for cell in cells], check)


@given(CELLS, st.integers(0, 9), st.text(min_size=1))
def test_a_changed_cell_is_damage(cells: list[Any], place: int, more: str) -> None:
    damaged = [*cells, "end"]
    check = row_checksum(damaged)
    damaged[place % len(damaged)] = f"{damaged[place % len(damaged)]} {more}"
    assert not is_row_intact(damaged, check)


def test_a_row_without_a_checksum_is_taken_as_it_is() -> None:
    assert is_row_intact(("a", 1), None)


@pytest.mark.parametrize("check", [None, 0, "text", 1.5])
def test_an_answer_needs_its_own_checksum(check: Any) -> None:
    *cells, right = answer_columns(KEY, StoredAnswer("yes"))
    assert is_intact(KEY, (*cells, right)) and not is_intact(KEY, (*cells, check))


def test_half_a_surrogate_pair_survives_as_bytes() -> None:
    assert as_text(as_bytes("\ud83d")) == "\ud83d"
    assert as_bytes("plain") == "plain"


@given(st.integers(0, 2**40), st.none() | st.text(st.characters()), st.none() | st.binary(min_size=32, max_size=32))
def test_the_quick_checksum_of_a_row_of_the_input_is_the_same(number: int, name: str | None, key: bytes | None) -> None:
    cells = (b"r" * 16, number, name, key, "ok")
    assert input_row_checksum(cells) == row_checksum(cells)
