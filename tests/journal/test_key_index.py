"""The index of keys: each key has its own row, whatever else was added, in any order and by any thread."""

from hashlib import sha256
from threading import Thread

from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch.journal.key_index import KeyIndex


def key(number: int) -> bytes:
    return sha256(str(number).encode()).digest()


@given(st.lists(st.integers(0, 2000), max_size=300))
def test_each_key_has_a_row_of_its_own(numbers: list[int]) -> None:
    index, rows = KeyIndex(), {}
    for number in numbers:
        row = index.add(key(number))
        assert rows.setdefault(number, row) == row
    assert len(index) == len(rows) and sorted(rows.values()) == list(range(1, len(rows) + 1))
    assert all(index.get(key(number)) == row for number, row in rows.items())
    assert index.get(key(-1)) == 0


def test_rows_of_the_file_keep_their_numbers_and_new_ones_come_after() -> None:
    index = KeyIndex()
    for number in range(50_000):
        index.load(key(number), 2 * number + 1)
    index.load(key(7), 200_000)  # a second row of a key
    assert [index.get(key(number)) for number in (0, 7, 49_999)] == [1, 15, 99_999]
    assert index.add(key(50_000)) == 200_001
    assert not any(index.get(key(number)) for number in range(60_000, 70_000))


def test_threads_that_add_the_same_keys_agree() -> None:
    index = KeyIndex()
    found: list[list[int]] = []
    threads = [Thread(target=lambda: found.append([index.add(key(n)) for n in range(5000)])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(rows == found[0] for rows in found) and len(set(found[0])) == 5000
